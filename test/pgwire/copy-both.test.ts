import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { connectSocket } from "../../src/pgwire/connect.js";
import type { CopyMessage } from "../../src/pgwire/listener.js";
import { all, copying, echo } from "./copying.js";
import { message } from "./raw-client.js";
import { toyServer } from "./toy-server.js";

test("both ends read what the other writes, and afterwards the connection can be used again", async (t) => {
  const server = await toyServer(t, copying(echo));
  const client = await connectSocket(server.path);
  for (const round of ["one", "two"]) {
    const session = await client.copyBoth(round);
    t.true(session.opened);
    const sizes = [0, 1, 4095, 4096, 4097, 70_000, 1 << 20, 4 << 20];
    const reading = all(session);
    for (const [i, size] of sizes.entries()) await session.write(Buffer.alloc(size, i + 1));
    await session.done();
    await session.done();
    for (const [i, { data, message: whole }] of (await reading).entries()) {
      t.true(data.equals(Buffer.alloc(sizes[i] as number, i + 1)));
      t.true(whole.equals(message("d", data)));
    }
    t.deepEqual(await session.finish(), [
      { fields: [{ name: "n", dataTypeID: 20 }], rows: [[round]], command: "SELECT 1" },
    ]);
  }
  t.is((await client.query("ping"))[0]?.command, "SELECT 1");
  await client.close();
});

test("400 messages that are kept on both sides stay as they were", async (t) => {
  const kept: CopyMessage[] = [];
  const server = await toyServer(
    t,
    copying(async (stream) => {
      for await (const next of stream.read()) {
        kept.push(next);
        await stream.write(next.data);
      }
    }),
  );
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("keep");
  const reading = all(session);
  for (let i = 0; i < 400; i++) await session.write(Buffer.alloc(8192 + i, i % 256));
  await session.done();
  const received = await reading;
  await session.finish();
  for (const side of [kept, received]) {
    t.is(side.length, 400);
    for (const [i, { data }] of side.entries()) t.true(data.equals(Buffer.alloc(8192 + i, i % 256)));
  }
  await client.close();
});

test("bytes that already are messages pass, wherever they are cut", async (t) => {
  const server = await toyServer(t, copying(echo));
  const client = await connectSocket(server.path);
  const bodies = fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(bodies, fc.array(fc.nat(2000), { maxLength: 20 }), async (parts, cuts) => {
      let stream = Buffer.concat(parts.map((part) => message("d", Buffer.from(part))));
      const session = await client.copyBoth("cut");
      const reading = all(session);
      for (const cut of cuts) {
        await session.writeMessages(stream.subarray(0, cut));
        stream = stream.subarray(cut);
      }
      await session.writeMessages(stream);
      await session.done();
      t.deepEqual(
        (await reading).map(({ data }) => [...data]),
        parts.map((part) => [...part]),
      );
      await session.finish();
    }),
    { numRuns: 30 },
  );
  await client.close();
});

test("a handler that returns early ends its side, and the rest of the client's data is dropped", async (t) => {
  const server = await toyServer(
    t,
    copying(async () => {}),
  );
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("x");
  t.deepEqual(await all(session), []);
  for (let i = 0; i < 20; i++) await session.write(Buffer.alloc(100_000));
  t.is((await session.finish()).length, 1);
  await client.close();
});

test("a writer waits for a reader that does not ask", async (t) => {
  const server = await toyServer(
    t,
    copying(
      (_stream, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve());
        }),
    ),
  );
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("x");
  let sent = 0;
  const flood = async () => {
    for (; sent < 64; sent++) await session.writeMessages(message("d", Buffer.alloc(1 << 20)));
  };
  const flooding = t.throwsAsync(flood(), { code: "connection_failure" });
  await sleep(200);
  t.true(sent < 8, `${sent} MiB were taken by a server that reads none`);
  client.destroy();
  await flooding;
});

test("a read that was left goes on with the next message", async (t) => {
  const server = await toyServer(t, copying(echo));
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("x");
  for (const text of ["a", "b", "c"]) await session.write(Buffer.from(text));
  for await (const { data } of session.read()) {
    t.is(data.toString(), "a");
    break;
  }
  await session.done();
  t.deepEqual(
    (await all(session)).map(({ data }) => data.toString()),
    ["b", "c"],
  );
  await session.finish();
  await client.close();
});
