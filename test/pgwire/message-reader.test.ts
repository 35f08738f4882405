import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { NeonError } from "../../src/errors.js";
import { type Message, type MessageLimit, MessageReader } from "../../src/pgwire/message-reader.js";
import { int32, message, untyped } from "./raw-client.js";
import { temporaryDirectory } from "./toy-server.js";

const MiB = 1024 * 1024;

/** A reader over a real socket, and the socket that feeds it. */
async function pair(t: ExecutionContext, limit: MessageLimit = () => 4 * MiB) {
  const server = createServer();
  server.listen(join(await temporaryDirectory(t), "s"));
  await once(server, "listening");
  const feed = connect(server.address() as string);
  const [socket] = (await once(server, "connection")) as [Socket];
  t.teardown(() => {
    feed.destroy();
    socket.destroy();
    server.close();
  });
  feed.setNoDelay(true);
  return { feed, socket, reader: new MessageReader(socket, limit) };
}

async function all(reader: MessageReader): Promise<Message[]> {
  const messages: Message[] = [];
  for (let next = await reader.next(); next !== undefined; next = await reader.next()) messages.push(next);
  return messages;
}

function show(messages: Message[]): string[] {
  return messages.map(({ type, body }) => `${String.fromCharCode(type)}:${body.toString("latin1")}`);
}

test("messages that come byte by byte are whole again", async (t) => {
  const { feed, reader } = await pair(t);
  const bytes = Buffer.concat([message("Q", "hello\0"), message("c"), message("d", "data"), message("X")]);
  const reading = all(reader);
  for (const byte of bytes) {
    feed.write(Buffer.of(byte));
    await turn();
  }
  feed.end();
  t.deepEqual(show(await reading), ["Q:hello\0", "c:", "d:data", "X:"]);
});

test("messages are the same wherever their bytes are cut", async (t) => {
  const piece = fc.uint8Array({ minLength: 0, maxLength: 300 });
  const cuts = fc.array(fc.nat(100), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), cuts, async (bodies, steps) => {
      const { feed, reader } = await pair(t);
      let rest = Buffer.concat(bodies.map((body) => message("d", Buffer.from(body))));
      const reading = all(reader);
      for (const step of steps) {
        feed.write(rest.subarray(0, step));
        rest = rest.subarray(step);
        await turn();
      }
      feed.end(rest);
      const bodiesRead = (await reading).map(({ body }) => body.toString("hex"));
      t.deepEqual(
        bodiesRead,
        bodies.map((body) => Buffer.from(body).toString("hex")),
      );
    }),
    { numRuns: 40 },
  );
});

test("messages that are kept stay as they were, whatever comes later", async (t) => {
  const { feed, reader } = await pair(t);
  const sizes = Array.from({ length: 400 }, (_, i) => (i % 7 === 0 ? 70_000 : 13 * i));
  const reading = all(reader);
  for (const [i, size] of sizes.entries()) feed.write(message("d", Buffer.alloc(size, i % 251)));
  feed.end();
  const kept = await reading;
  t.is(kept.length, sizes.length);
  for (const [i, { body, buffer }] of kept.entries()) {
    t.true(body.equals(Buffer.alloc(sizes[i] as number, i % 251)), `message ${i}`);
    t.is(buffer.readInt32BE(1), (sizes[i] as number) + 4);
  }
});

test("a small message does not keep the chunk alive that it came in", async (t) => {
  const { feed, reader } = await pair(t);
  feed.write(Buffer.concat([message("d", "small"), message("d", Buffer.alloc(60_000))]));
  const small = await reader.next();
  t.true((small?.buffer.buffer.byteLength ?? Number.NaN) <= 8192);
});

// Alone, since other tests take memory of the same process.
test.serial("a message that is too long is refused before memory is taken for it", async (t) => {
  const { feed, reader } = await pair(t, () => 100);
  feed.write(message("d", Buffer.alloc(100)));
  t.is((await reader.next())?.body.length, 100);
  const before = process.memoryUsage().arrayBuffers;
  feed.write(Buffer.concat([Buffer.from("d"), int32(512 * MiB)]));
  const error = await t.throwsAsync(reader.next(), { instanceOf: NeonError });
  t.true(process.memoryUsage().arrayBuffers - before < MiB);
  t.is(error?.sqlstate, "08P01");
  t.is(error?.message, 'a message of type "d" is 536870908 bytes long; at most 100 are taken');
  await t.throwsAsync(reader.next(), { is: error }, "what follows cannot be cut any more");
});

test("a message one byte over the limit is refused", async (t) => {
  const { feed, reader } = await pair(t, () => 100);
  feed.write(message("d", Buffer.alloc(101)));
  await t.throwsAsync(reader.next(), { code: "protocol_violation" });
});

for (const length of [3, 0, -1, -(2 ** 31)]) {
  test(`a message that says it is ${length} bytes long is refused`, async (t) => {
    const { feed, reader } = await pair(t);
    feed.write(Buffer.concat([Buffer.from("d"), int32(length)]));
    await t.throwsAsync(reader.next(), { code: "protocol_violation", message: /says that it is/ });
  });
}

test("the limit is the one at the time of asking", async (t) => {
  const { feed, reader } = await pair(t, () => 10);
  feed.write(Buffer.concat([message("Q", "go"), message("d", Buffer.alloc(1000))]));
  await reader.next();
  await sleep(20);
  reader.limit = () => 1000;
  t.is((await reader.next())?.body.length, 1000);
});

test("the end between two messages is no error, the end inside one is", async (t) => {
  const whole = await pair(t);
  whole.feed.end(message("d", "x"));
  t.is((await all(whole.reader)).length, 1);
  for (const cut of [1, 4, 5, 8]) {
    const { feed, reader } = await pair(t);
    feed.end(message("d", "data").subarray(0, cut));
    await t.throwsAsync(reader.next(), { code: "connection_failure", message: /middle of a message/ });
  }
});

test("the socket rests while nobody asks", async (t) => {
  const { feed, socket, reader } = await pair(t);
  const chunk = message("d", Buffer.alloc(64 * 1024));
  for (let i = 0; i < 256; i++) feed.write(chunk);
  await sleep(100);
  t.true(socket.bytesRead < MiB, `${socket.bytesRead} bytes were read ahead`);
  feed.end();
  t.is((await all(reader)).length, 256);
});

test("a dropped message passes without being kept", async (t) => {
  const { feed, reader } = await pair(t, (type) => (type === 0x64 ? { drop: 10 * MiB } : 100));
  feed.write(Buffer.concat([message("d", Buffer.alloc(5 * MiB)), message("d"), message("Q", "next")]));
  t.deepEqual(show([(await reader.next()) as Message]), ["Q:next"]);
});

test("an interrupted reader loses no bytes", async (t) => {
  const { feed, reader } = await pair(t);
  const bytes = message("d", "0123456789");
  feed.write(bytes.subarray(0, 8));
  const waiting = reader.next();
  await sleep(20);
  reader.interrupt(new NeonError("query_canceled", "enough"));
  await t.throwsAsync(waiting, { code: "query_canceled" });
  feed.write(bytes.subarray(8));
  t.is((await reader.next())?.body.toString(), "0123456789");
});

test("a message without a type byte is read as one", async (t) => {
  const { feed, reader } = await pair(t);
  feed.write(Buffer.concat([untyped(Buffer.from("hello")), message("Q", "x")]));
  const first = await reader.nextUntyped();
  t.deepEqual([first?.type, first?.body.toString()], [0, "hello"]);
  t.deepEqual(show([(await reader.next()) as Message]), ["Q:x"]);
});

test("only the memory of a message that was released holds a later one", async (t) => {
  const { feed, reader } = await pair(t);
  const next = async (fill: string) => {
    feed.write(message("d", Buffer.alloc(MiB, fill)));
    return (await reader.next()) as Message;
  };
  const kept = await next("a");
  const released = await next("b");
  released.release();
  const later = [await next("c"), await next("d")];
  t.true(later.some(({ buffer }) => buffer.buffer === released.buffer.buffer));
  t.true(kept.body.equals(Buffer.alloc(MiB, "a")));
  t.true(later[1].body.equals(Buffer.alloc(MiB, "d")));
  t.true(later[0].body.equals(Buffer.alloc(MiB, "c")));
});
