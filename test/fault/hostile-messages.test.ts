import test from "ava";
import type { NeonError } from "../../src/errors.js";
import { connect } from "../../src/pgwire/connect.js";
import type { CopyBothSession } from "../../src/pgwire/connection.js";
import { temporaryServer } from "../support/temporary-server.js";
import { bytesOf, control, HELLO, heard, honest, makeChain, startRecord } from "./support/stranger.js";

const hello = (change: object = {}) => control({ case: "hello", value: { ...HELLO, ...change } });
/** A Hello with field 30, which no version has yet. */
const strangeHello = () => {
  const field = Buffer.from([0xf0, 1, 7]);
  const body = hello();
  body[1] += field.length;
  return Buffer.concat([body, field]);
};

/** What a sender begins with, and the error that it gets. */
const BEGINNINGS: Record<string, [messages: Buffer[], sqlstate: string]> = {
  "an empty message": [[Buffer.alloc(0)], "08P01"],
  "a message of an unknown kind": [[hello(), Buffer.from([(15 << 3) | 2, 0])], "08P01"],
  "bytes that are no protobuf": [[hello(), Buffer.alloc(40, 0xff)], "08P01"],
  "a message that is cut off": [[hello().subarray(0, 8)], "08P01"],
  "a number of eleven bytes": [[hello(), Buffer.concat([Buffer.alloc(11, 0x80), Buffer.of(1)])], "08P01"],
  "two Hellos": [[hello(), hello()], "08P01"],
  "an Offer without a Hello": [[control({ case: "offer", value: {} })], "08P01"],
  "versions to come": [[hello({ minVersion: 2, maxVersion: 9 })], "0A000"],
  "versions before the first": [[hello({ minVersion: 0, maxVersion: 0 })], "0A000"],
  "versions from the last to the first": [[hello({ minVersion: 9, maxVersion: 1 })], "0A000"],
  "what a receiver says": [[hello(), control({ case: "answer", value: { accepted: true } })], "08P01"],
  "frames before an Offer": [[hello(), Buffer.concat(makeChain(1).map(bytesOf)).subarray(5)], "08P01"],
  "more fields than a message has": [[hello(), Buffer.alloc(140_002, Buffer.of(0x5a, 0))], "54000"],
};

test("whatever a session begins with is answered or refused, and its connection is of use afterwards", async (t) => {
  const { uri, remove } = await temporaryServer();
  t.teardown(remove);
  const connection = await connect({ uri });
  t.teardown(() => connection.destroy());
  const refused = async (say: (session: CopyBothSession) => Promise<void>) => {
    const session = await connection.copyBoth(`branch_push main ${"00".repeat(16)}`);
    const error = await t.throwsAsync<NeonError>(async () => {
      await say(session);
      for await (const _ of heard(session));
    });
    await session.finish().catch(() => undefined);
    return error;
  };
  for (const [name, [messages, sqlstate]] of Object.entries(BEGINNINGS)) {
    const error = await refused(async (session) => {
      for (const message of messages) await session.write(message);
    });
    t.is(error?.sqlstate, sqlstate, `${name}: ${error?.message}`);
    t.false(/\n {4}at /.test(error?.message ?? ""), name);
  }
  t.is((await refused((session) => session.done()))?.sqlstate, "08P01", "CopyDone");
  t.is((await connection.query("branch_list"))[0]?.rows.length, 0);
});

test("what a later version adds to a Hello is no reason to refuse it, and little is acknowledged soon", async (t) => {
  const { uri, remove } = await temporaryServer();
  t.teardown(remove);
  const connection = await connect({ uri });
  t.teardown(() => connection.destroy());
  const session = await connection.copyBoth(`branch_push main ${"00".repeat(16)}`);
  await session.write(strangeHello());
  const start = startRecord();
  const { offer, plan, frames } = honest(makeChain(3, start), start);
  await session.write(control({ case: "offer", value: { ...offer, locator: [...offer.locator] } }));
  const began = Date.now();
  for await (const message of heard(session)) {
    if (message.case === "answer") {
      t.true(message.value.accepted);
      await session.write(control({ case: "plan", value: plan as object }));
      for (const frame of frames.slice(0, 2)) await session.writeMessages(bytesOf(frame));
    } else if (message.case === "acknowledgement" && message.value.seq === 1n) {
      break;
    }
  }
  // A third of the time for which it would wait for the last frame.
  t.true(Date.now() - began < 20_000);
  connection.destroy();
});
