import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { ServerHandler } from "../../src/pgwire/listener.js";
import { fields, int32, message, RawClient, startup, types, untyped } from "./raw-client.js";
import { toyServer } from "./toy-server.js";

const echo: ServerHandler["query"] = async (sql, reply) => {
  if (sql === "") return reply.emptyQuery();
  reply.rowDescription([{ name: "text", dataTypeID: 25 }]);
  await reply.dataRow([sql]);
  await reply.dataRow([null]);
  reply.commandComplete("SELECT 2");
};

/** Waits until its signal aborts, and keeps the reason. */
function hanging() {
  const reasons: unknown[] = [];
  const query: ServerHandler["query"] = (_sql, _reply, _connection, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        reasons.push(signal.reason);
        reject(signal.reason);
      });
    });
  return { reasons, query };
}

test("a session starts with what libpq needs to know", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.dial(server.tcp);
  client.send(startup({ user: "u", database: "d" }));
  const messages = await client.until("Z");
  t.is(types(messages), "RSSSSSSKZ");
  t.is(messages[0]?.body, "\0\0\0\0", "AuthenticationOk");
  const parameters = Object.fromEntries(messages.slice(1, 7).map(({ body }) => body.split("\0").slice(0, 2)));
  t.deepEqual(parameters, {
    server_encoding: "UTF8",
    client_encoding: "UTF8",
    standard_conforming_strings: "on",
    integer_datetimes: "on",
    DateStyle: "ISO, MDY",
    server_version: "14.0 (neon test)",
  });
  t.is(messages.at(-1)?.body, "I");
});

test("a query is answered in the bytes of the manual", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.start(server.tcp);
  client.send(message("Q", "hi\0"));

  const expected = [
    "54 0000001d 0001 7465787400 00000000 0000 00000019 ffff ffffffff 0000",
    "44 0000000c 0001 00000002 6869",
    "44 0000000a 0001 ffffffff",
    "43 0000000d 53454c454354203200",
    "5a 00000005 49",
  ]
    .join("")
    .replaceAll(" ", "");
  t.is((await client.bytes(expected.length / 2)).toString("hex"), expected);
});

test("a session that comes byte by byte is served like any other", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.dial(server.path);
  for (const byte of Buffer.concat([startup({ user: "u" }), message("Q", "hi\0"), message("X")])) {
    client.send(Buffer.of(byte));
    await sleep(0);
  }
  t.is(types(await client.rest()), "RSSSSSSKZTDDCZ");
});

test("queries that are sent ahead are answered in order", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.start(server.tcp);
  client.send(message("Q", "a\0"), message("Q", "\0"), message("Q", "b\0"), message("X"));
  const answer = await client.rest();
  t.is(types(answer), "TDDCZIZTDDCZ");
});

test("encryption is declined with N, and the session goes on", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.dial(server.tcp);
  client.send(untyped(int32((1234 << 16) | 5680)));
  t.is((await client.bytes(1)).toString(), "N");
  client.send(untyped(int32((1234 << 16) | 5679)));
  t.is((await client.bytes(1)).toString(), "N");
  client.send(startup({ user: "u" }));
  t.is(types(await client.until("Z")), "RSSSSSSKZ");
});

test("a newer minor protocol and unknown protocol options are negotiated down", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.dial(server.tcp);
  client.send(startup({ user: "u", "_pq_.wish": "1" }, 0x30002));
  const [first, second] = await client.until("Z");
  t.deepEqual(first, { type: "v", body: "\0\x03\0\0\0\0\0\x01_pq_.wish\0" });
  t.is(second?.type, "R");
});

const refusedStartups = [
  { title: "a startup without a user", bytes: startup({ database: "d" }), code: "28000" },
  { title: "protocol 2", bytes: startup({ user: "u" }, 0x20000), code: "0A000" },
  { title: "a startup that is cut", bytes: untyped(int32(0x30000), Buffer.from("user")), code: "08P01" },
  { title: "a startup of 100 MB", bytes: int32(100_000_000), code: "08P01" },
  { title: "an HTTP request", bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n"), code: "08P01" },
];
for (const { title, bytes, code } of refusedStartups) {
  test(`${title} is refused with ${code}, and the connection ends`, async (t) => {
    const server = await toyServer(t, echo);
    const client = await RawClient.dial(server.tcp);
    client.send(bytes);
    const messages = await client.rest();
    t.is(types(messages), "E");
    t.like(fields(messages[0]), { S: "FATAL", C: code });
  });
}

test("Parse is answered 0A000 once and skipped to Sync", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.start(server.tcp);
  const skipped = ["P", "B", "D", "E", "H", "C"].map((type) => message(type, "\0\0\0\0\0\0\0"));
  client.send(...skipped, message("Q", "skipped\0"), message("S"), message("Q", "hi\0"));
  const answer = [...(await client.until("Z")), ...(await client.until("Z"))];
  t.is(types(answer), "EZTDDCZ");
  t.like(fields(answer[0]), { S: "ERROR", C: "0A000" });
});

test("a function call is answered 0A000", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.start(server.tcp);
  client.send(message("F", "\0\0\0\0"));
  const answer = await client.until("Z");
  t.is(types(answer), "EZ");
  t.is(fields(answer[0]).C, "0A000");
});

test("a command that is too long ends the connection with 08P01", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.start(server.tcp);
  client.send(Buffer.concat([Buffer.from("Q"), int32(1_000_000)]), Buffer.alloc(500_000, 0x61));
  const answer = await client.rest();
  t.like(fields(answer[0]), { S: "FATAL", C: "08P01" });
});

test("a message of an unknown type ends the connection with 08P01", async (t) => {
  const server = await toyServer(t, echo);
  const client = await RawClient.start(server.tcp);
  client.send(message("?"));
  const answer = await client.rest();
  t.like(fields(answer[0]), { S: "FATAL", C: "08P01", M: 'a message of type "?" was not expected' });
});

test("a handler that gives no answer is an internal error for its client", async (t) => {
  const server = await toyServer(t, async () => {});
  const client = await RawClient.start(server.tcp);
  client.send(message("Q", "x\0"));
  const answer = await client.until("Z");
  t.is(types(answer), "EZ");
  t.is(fields(answer[0]).C, "XX000");
});

test("CancelRequest with the session's key aborts its command, with another key nothing", async (t) => {
  const { query, reasons } = hanging();
  const server = await toyServer(t, query);
  const client = await RawClient.dial(server.tcp);
  client.send(startup({ user: "u" }));
  const greeting = await client.until("Z");
  const key = Buffer.from(greeting.find(({ type }) => type === "K")?.body ?? "", "latin1");
  client.send(message("Q", "hang\0"));
  await sleep(50);
  const wrong = Buffer.from(key);
  wrong[7] = (wrong[7] ?? 0) ^ 1;
  for (const bytes of [wrong, key]) {
    t.deepEqual(reasons, []);
    const canceller = await RawClient.dial(server.tcp);
    canceller.send(untyped(int32((1234 << 16) | 5678), bytes));
    t.deepEqual(await canceller.rest(), []);
  }
  const answer = await client.until("Z");
  t.is(types(answer), "EZ");
  t.like(fields(answer[0]), { S: "ERROR", C: "57014" });
  t.like(reasons[0], { code: "query_canceled" });
});

for (const how of ["end", "destroy", "resetAndDestroy"] as const) {
  test(`a client that leaves by ${how} aborts its command`, async (t) => {
    const { query, reasons } = hanging();
    const server = await toyServer(t, query);
    const client = await RawClient.start(server.tcp);
    client.send(message("Q", "hang\0"));
    await sleep(50);
    client.socket[how]();
    while (reasons.length === 0) await sleep(5);
    t.like(reasons[0], { code: "connection_failure", party: "connection" });
  });
}

test("a client that does not finish its startup is cut off, one that did is not", async (t) => {
  const server = await toyServer(t, echo, { startupTimeoutMs: 100 });
  const [silent, slow, started] = await Promise.all([
    RawClient.dial(server.tcp),
    RawClient.dial(server.tcp),
    RawClient.start(server.tcp),
  ]);
  slow.send(startup({ user: "u" }).subarray(0, 9));
  t.deepEqual([await silent.rest(), await slow.rest()], [[], []]);
  started.send(message("Q", "hi\0"));
  t.is(types(await started.until("Z")), "TDDCZ");
});

test("a notice to a client that is gone does not throw", async (t) => {
  let survived = false;
  const server = await toyServer(t, async (_sql, reply, { closed }) => {
    while (!closed.aborted) await sleep(5);
    await sleep(20);
    reply.notice({ severity: "INFO", code: "00000", message: "late" });
    survived = true;
  });
  const client = await RawClient.start(server.tcp);
  client.send(message("Q", "x\0"));
  await sleep(20);
  client.socket.destroy();
  await server.destroy();
  t.true(survived);
});
