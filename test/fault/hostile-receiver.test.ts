import test, { type ExecutionContext } from "ava";
import { Codec } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { Decision, type SessionMessage } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { NeonError } from "../../src/errors.js";
import { connect } from "../../src/pgwire/connect.js";
import type { CopyBoth } from "../../src/pgwire/copy-both.js";
import { listen } from "../../src/pgwire/listener.js";
import { call, callStream } from "../../src/server/call.js";
import { type TemporaryServer, temporaryServer } from "../support/temporary-server.js";
import { writeChain } from "../support/temporary-store.js";
import { control, HELLO, heard, playReceiver, type Replies } from "./support/stranger.js";

const commands = PageServerService.method;

const head = { lsn: 5n, digest: Buffer.alloc(32, 1), seq: 5n };
const answer =
  (change: object): Replies =>
  (message) =>
    message.case === "offer"
      ? [{ case: "answer", value: { decision: Decision.CREATE, accepted: true, ...change } }]
      : [];
/** Wants all frames, and then says `more`. */
const after = (more: SessionMessage["message"]["case"], reply: Replies): Replies => {
  const wanted = answer({});
  return (message) => [...wanted(message), ...(message.case === more ? reply(message) : [])];
};

/** What a receiver can say that no receiver may, and what the sender answers. */
const LIES: Record<string, [hello: object, Replies, sqlstate: string, message: RegExp]> = {
  "no codec": [{ codecs: [] }, answer({}), "0A000", /codec \w+, which the receiver does not know/],
  "no codec but one of a later version": [{ codecs: [99] }, answer({}), "0A000", /does not know/],
  "not the codec of the frames": [{ codecs: [Codec.NONE] }, answer({}), "0A000", /codec LZ4/],
  "messages of 1000 bytes": [{ maxMessageBytes: 1000 }, answer({}), "54000", /takes at most 1000/],
  "no messages at all": [{ maxMessageBytes: 0 }, answer({}), "54000", /takes at most 0/],
  "a protocol of later": [{ minVersion: 2, maxVersion: 9 }, answer({}), "0A000", /protocol/],
  "no decision": [{}, answer({ decision: Decision.UNSPECIFIED }), "08P01", /no decision/],
  "that it has a frame of another history": [
    {},
    answer({ have: { seq: 1n, digest: Buffer.alloc(32, 1), lsn: 5n } }),
    "08P01",
    /another history/,
  ],
  "that it has a frame behind the head": [
    {},
    answer({ have: { ...head, seq: 900n } }),
    "08P01",
    /cannot be there/,
  ],
  "that it has a frame with a short digest": [
    {},
    answer({ have: { ...head, digest: Buffer.alloc(3) } }),
    "08P01",
    /cannot be there/,
  ],
  "a head whose number is no safe integer": [
    {},
    answer({ head: { ...head, seq: 1n << 53n } }),
    "08P01",
    /no valid head/,
  ],
  "too many questions at once": [
    {},
    () => [{ case: "locate", value: { seqs: Array.from({ length: 65 }, () => 0n) } }],
    "08P01",
    /not offered/,
  ],
  "a question behind the head": [
    {},
    () => [{ case: "locate", value: { seqs: [900n] } }],
    "08P01",
    /not offered/,
  ],
  "that a frame is durable that was not sent": [
    {},
    after("plan", () => [{ case: "acknowledgement", value: { seq: 900n } }]),
    "08P01",
    /was not sent/,
  ],
  "that it is done before anything came": [
    {},
    after("plan", () => [{ case: "committed", value: { head } }]),
    "08P01",
    /committed came|another head/,
  ],
  "that it stands elsewhere": [
    {},
    after("finish", () => [{ case: "committed", value: { head } }]),
    "08P01",
    /another head/,
  ],
  "that it stands at another number": [
    {},
    after("finish", (message) =>
      message.case === "finish" && message.value.head
        ? [{ case: "committed", value: { head: { ...message.value.head, seq: 4n } } }]
        : [],
    ),
    "08P01",
    /another head/,
  ],
};

/** How a page server's branch comes to a stranger: the stranger pulls, or the page server pushes to the stranger. */
type Give = (hello: object, replies: Replies) => Promise<unknown>;

async function pulled(t: ExecutionContext, { uri }: TemporaryServer): Promise<Give> {
  const connection = await connect({ uri });
  t.teardown(() => connection.destroy());
  return async (hello, replies) => {
    const session = await connection.copyBoth(`branch_pull main ${"00".repeat(16)}`);
    try {
      await playReceiver(session, hello, replies);
    } finally {
      await session.finish().catch(() => undefined);
    }
  };
}

async function pushed(t: ExecutionContext, server: TemporaryServer): Promise<Give> {
  let says: [object, Replies] | undefined;
  const listener = await listen({
    parameters: { server_version: "14.0 (neon 0.0.0)" },
    port: 0,
    handler: {
      query: async (_sql, reply) => {
        await playReceiver(reply.copyBoth(), ...(says as [object, Replies]));
        reply.commandComplete("COPY");
      },
    },
  });
  t.teardown(() => listener.destroy());
  const connection = await server.connect();
  t.teardown(() => connection.destroy());
  return async (...words) => {
    says = words;
    return call(connection, commands.performPush, {
      branch: "main",
      uri: `postgresql://${listener.addresses[0]}/`,
    });
  };
}

for (const [name, way] of Object.entries({ "a pull from": pulled, "a push by": pushed })) {
  test(`${name} a page server ends when the receiver says what cannot be, and can be tried again`, async (t) => {
    const server = await temporaryServer({ branches: ["main"] });
    t.teardown(server.remove);
    const give = await way(t, server);
    for (const [lie, [hello, replies, sqlstate, message]] of Object.entries(LIES)) {
      const error = await t.throwsAsync<NeonError>(give(hello, replies), undefined, lie);
      t.is(error?.sqlstate, sqlstate, `${lie}: ${error?.message}`);
      t.regex(error?.message ?? "", message, lie);
      await t.notThrowsAsync(give({}, after("finish", committed)), lie);
    }
    const connection = await server.connect();
    t.is((await callStream(connection, commands.branchList, {})).length, 1);
    await connection.close();
  });
}

const committed: Replies = (message) =>
  message.case === "finish" ? [{ case: "committed", value: { head: message.value.head } }] : [];

/** Takes a branch with a window, acknowledging only when nothing comes any more. Resolves with the most that was ahead. */
async function mostAhead(stream: CopyBoth, windowBytes: bigint) {
  await stream.write(control({ case: "hello", value: { ...HELLO, windowBytes } }));
  let [bytes, frames, most, seq] = [0, 0, 0, -1n];
  let several = false;
  let idle: NodeJS.Timeout | undefined;
  const acknowledge = () => {
    [bytes, frames] = [0, 0];
    stream.write(control({ case: "acknowledgement", value: { seq } })).catch(() => undefined);
  };
  for await (const message of heard(stream)) {
    if (message.case === "offer") {
      const value = { decision: Decision.CREATE, accepted: true };
      await stream.write(control({ case: "answer", value }));
    } else if (message.case === "frame") {
      seq++;
      bytes += message.value.length;
      if (++frames > 1) several = true;
      if (frames > 1) most = Math.max(most, bytes);
      clearTimeout(idle);
      idle = setTimeout(acknowledge, 100);
    } else if (message.case === "finish") {
      clearTimeout(idle);
      await stream.write(control({ case: "committed", value: { head: message.value.head } }));
      await stream.done();
    }
  }
  return { several, most, seq };
}

test("a sender keeps the window of the receiver, and has one frame on its way however small that is", async (t) => {
  const server = await temporaryServer({
    fill: async (store) => {
      await store.createBranch("main", await writeChain(store, { frames: 12, frameBytes: 200_000 }));
    },
  });
  t.teardown(server.remove);
  const connection = await connect({ uri: server.uri });
  t.teardown(() => connection.destroy());
  for (const window of [0n, 1n, 1000n, 350_000n, 1_000_000n]) {
    const session = await connection.copyBoth(`branch_pull main ${"00".repeat(16)}`);
    const { several, most, seq } = await mostAhead(session, window);
    await session.finish();
    t.is(seq, 12n, `${window}`);
    t.true(most <= Number(window), `${most} bytes of ${window}`);
    t.is(several, window > 300_000n, `${window}`);
  }
});
