import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { NeonError } from "../../src/errors.js";
import { connectSocket } from "../../src/pgwire/connect.js";
import { all, copying } from "./copying.js";
import { fields, int32, message, RawClient, startup, types } from "./raw-client.js";
import { toyServer } from "./toy-server.js";

test("a client's failure reaches the server's reader with its SQLSTATE, and comes back", async (t) => {
  let seen: unknown;
  const server = await toyServer(
    t,
    copying(async (stream) => {
      await all(stream).catch((error) => {
        seen = error;
        throw error;
      });
    }),
  );
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("fail");
  await session.write(Buffer.from("some"));
  await session.fail(new NeonError("data_corrupted", "frame 7 is damaged"));
  await t.throwsAsync(session.finish(), { code: "data_corrupted", message: "frame 7 is damaged" });
  t.like(seen, { code: "data_corrupted", message: "frame 7 is damaged" });
  t.is((await client.query("ping")).length, 1);
  await client.close();
});

test("CopyFail of a client that is not ours is a cancelled command", async (t) => {
  const server = await toyServer(
    t,
    copying(async (stream) => void (await all(stream))),
  );
  const client = await RawClient.start(server.path);
  client.send(message("Q", "x\0"), message("d", "data"), message("f", "no more\0"));
  const answer = await client.until("Z");
  t.is(types(answer), "WEZ");
  t.like(fields(answer[1]), { C: "57014", M: "the client gave up: no more" });
});

test("a server's error ends the client's stream, and what the client still sends is dropped", async (t) => {
  const failure = new NeonError("object_not_in_prerequisite_state", "diverged", {
    hint: "rename",
    detail: "at 0/1",
  });
  const server = await toyServer(
    t,
    copying(async (stream) => {
      for await (const _ of stream.read()) throw failure;
    }),
  );
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("x");
  for (let i = 0; i < 100; i++) await session.write(Buffer.alloc(300_000));
  const error = await t.throwsAsync(all(session), { code: "object_not_in_prerequisite_state" });
  t.like(error, { message: "diverged", hint: "rename", detail: "at 0/1" });
  await t.throwsAsync(session.write(Buffer.alloc(1)), { is: error });
  await t.throwsAsync(session.finish(), { message: "diverged" });
  t.is((await client.query("ping"))[0]?.rows[0]?.[0], "ping");
  await client.close();
});

test("a server that fails the stream itself sends one ErrorResponse", async (t) => {
  const server = await toyServer(
    t,
    copying(async (stream) => {
      const error = new NeonError("disk_full", "full");
      await stream.fail(error);
      throw error;
    }),
  );
  const client = await RawClient.start(server.path);
  client.send(message("Q", "x\0"), message("d", "late"), message("c"), message("Q", "ping\0"));
  const answer = [...(await client.until("Z")), ...(await client.until("Z"))];
  t.is(types(answer), "WEZTDCZ");
  t.is(fields(answer[1]).C, "53100");
});

test("a command that fails while another part of it waits for the copy leaves its connection to the next one", async (t) => {
  const server = await toyServer(
    t,
    copying(async (stream) => {
      all(stream).catch(() => undefined);
      await sleep(20);
      throw new NeonError("disk_full", "full");
    }),
  );
  const client = await RawClient.start(server.path);
  client.send(message("Q", "x\0"));
  t.is(types(await client.until("Z")), "WEZ");
  client.send(message("d", "late"), message("c"), message("Q", "ping\0"));
  t.is(types(await client.until("Z")), "TDCZ");
});

test("CopyData over the limit ends the connection with 08P01", async (t) => {
  const server = await toyServer(
    t,
    copying(async (stream) => void (await all(stream))),
  );
  const client = await RawClient.start(server.path);
  client.send(message("Q", "x\0"), Buffer.concat([Buffer.from("d"), int32(5 << 20)]), Buffer.alloc(1 << 20));
  const answer = await client.rest();
  t.is(types(answer), "WE");
  t.like(fields(answer[1]), { S: "FATAL", C: "08P01" });
});

test("other messages than those of a copy are a protocol violation inside it", async (t) => {
  const server = await toyServer(
    t,
    copying(async (stream) => void (await all(stream))),
  );
  const client = await RawClient.start(server.path);
  client.send(message("Q", "x\0"), message("H"), message("S"), message("Q", "y\0"));
  const answer = await client.until("Z");
  t.is(types(answer), "WEZ");
  t.is(fields(answer[1]).C, "08P01");
});

test("an end inside a half-sent message closes the socket", async (t) => {
  const server = await toyServer(
    t,
    copying(async (stream) => {
      await stream.writeMessages(message("d", "half of it").subarray(0, 8));
      throw new NeonError("io_error", "the disk is gone");
    }),
  );
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("x");
  await t.throwsAsync(all(session), { code: "connection_failure", message: /middle of a message/ });
  await t.throwsAsync(session.finish(), { code: "connection_failure" });
  await t.throwsAsync(client.query("ping"), { code: "connection_failure" });
});

test("a client that vanishes makes the server's reads and writes throw", async (t) => {
  const errors: Promise<unknown>[] = [];
  const server = await toyServer(
    t,
    copying(async (stream) => {
      const flood = async () => {
        for (;;) await stream.write(Buffer.alloc(1 << 20));
      };
      errors.push(
        all(stream).catch((error) => error),
        flood().catch((error) => error),
      );
      await Promise.all(errors);
    }),
  );
  const client = await RawClient.start(server.path);
  client.send(message("Q", "x\0"), message("d", "one").subarray(0, 6));
  await sleep(50);
  client.socket.destroy();
  await sleep(10);
  for (const error of await Promise.all(errors)) t.like(error, { code: "connection_failure" });
  t.is(errors.length, 2);
});

test("a server that vanishes makes the client's reads and writes throw", async (t) => {
  const server = await toyServer(
    t,
    copying((stream) => all(stream).then(() => {})),
  );
  const client = await connectSocket(server.path);
  const session = await client.copyBoth("x");
  const reading = t.throwsAsync(all(session), { code: "connection_failure" });
  await server.destroy();
  await reading;
  const flood = async () => {
    for (;;) await session.write(Buffer.alloc(1 << 20));
  };
  await t.throwsAsync(flood(), { code: "connection_failure" });
});

test("a cancelled command stops although its client takes nothing", async (t) => {
  const server = await toyServer(
    t,
    copying(async (stream) => {
      for (;;) await stream.write(Buffer.alloc(1 << 20));
    }),
  );
  const client = await RawClient.dial(server.path);
  client.send(startup({ user: "u" }));
  const key = (await client.until("Z")).find(({ type }) => type === "K")?.body ?? "";
  client.socket.pause();
  client.send(message("Q", "x\0"));
  await sleep(100);
  const canceller = await RawClient.dial(server.path);
  canceller.send(int32(16), int32((1234 << 16) | 5678), Buffer.from(key, "latin1"));
  await canceller.rest();
  await sleep(50);
  client.socket.resume();
  const answer = await client.until("Z");
  t.regex(types(answer), /^Wd+EZ$/);
  t.is(fields(answer.at(-2)).C, "57014");
});
