import { spawnSync } from "node:child_process";
import { mkdir, rename, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { connect, connectSocket } from "../../src/pgwire/connect.js";
import { listen, type ServerHandler } from "../../src/pgwire/listener.js";
import { fields, message, RawClient, types } from "./raw-client.js";
import { temporaryDirectory, toyServer } from "./toy-server.js";

const answer: ServerHandler["query"] = async (sql, reply) => {
  if (sql === "slow") await sleep(200);
  reply.commandComplete(sql);
};
const handler = { query: answer };

test("the unix socket is for its owner only", async (t) => {
  const server = await toyServer(t, answer);
  t.is((await stat(server.path)).mode & 0o777, 0o600);
});

test("a socket that its process left behind is replaced, one that is served is not", async (t) => {
  const path = join(await temporaryDirectory(t), "socket");
  const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
  t.is(spawnSync(process.execPath, ["-e", program]).signal, "SIGKILL");
  t.true((await stat(path)).isSocket());
  const listener = await listen({ path, handler });
  await t.throwsAsync(listen({ path, handler }), { code: "object_in_use" });
  const client = await connectSocket(path);
  t.is((await client.query("still"))[0]?.command, "still");
  await client.close();
  await listener.close();
  await t.throwsAsync(stat(path), { code: "ENOENT" });
});

test("a socket works whatever the length of its path, and is removed in the end", async (t) => {
  const directory = join(await temporaryDirectory(t), "a".repeat(120), "b".repeat(120));
  await mkdir(directory, { recursive: true });
  const path = join(directory, "socket");
  const listener = await listen({ path, handler });
  t.is((await stat(path)).mode & 0o777, 0o600);
  const client = await connectSocket(path);
  t.is((await client.query("far"))[0]?.command, "far");
  await client.close();
  await listener.destroy();
  await t.throwsAsync(stat(path), { code: "ENOENT" });
});

test("a port that is taken is an error that names it, and leaves no unix socket", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.teardown(() => other.close());
  const { port } = other.address() as { port: number };
  const path = join(await temporaryDirectory(t), "socket");
  const expected = { code: "object_in_use", message: new RegExp(`127\\.0\\.0\\.1:${port}`) };
  await t.throwsAsync(listen({ path, port, handler }), expected);
  await sleep(10);
  await t.throwsAsync(stat(path), { code: "ENOENT" });
});

test("a handler knows its client", async (t) => {
  const seen: unknown[] = [];
  const server = await toyServer(t, async (_sql, reply, { local, remote, startup }) => {
    seen.push([local, remote.replace(/\d+$/, "port"), startup.get("application_name")]);
    reply.commandComplete("X");
  });
  for (const client of [
    await connectSocket(server.path, { applicationName: "near" }),
    await connect({ uri: server.uri, applicationName: "far" }),
  ]) {
    await client.query("x");
    await client.close();
  }
  t.deepEqual(seen, [
    [true, "unix socket", "near"],
    [false, "127.0.0.1:port", "far"],
  ]);
});

test("drain lets a command end, and sends idle sessions away with 57P01", async (t) => {
  const server = await toyServer(t, answer);
  const [idle, busy] = [await RawClient.start(server.tcp), await RawClient.start(server.tcp)];
  busy.send(message("Q", "slow\0"));
  await sleep(50);
  await server.close();
  await t.throwsAsync(RawClient.dial(server.tcp), { code: "ECONNREFUSED" });
  const [idleEnd, busyEnd] = await Promise.all([idle.rest(), busy.rest(), server.drain()]);
  t.is(types(idleEnd), "E");
  t.like(fields(idleEnd[0]), { S: "FATAL", C: "57P01" });
  t.is(types(busyEnd), "CZE");
  t.is(busyEnd[0]?.body, "slow\0");
});

test("a server that closes leaves the socket that another one has put in its place", async (t) => {
  const server = await toyServer(t, () => Promise.resolve());
  const other = await toyServer(t, () => Promise.resolve());
  await rename(other.path, server.path);
  await server.close();
  await (await connectSocket(server.path)).close();
  await t.throwsAsync(stat(other.path), { code: "ENOENT" });
});

test("destroy aborts what runs", async (t) => {
  let reason: unknown;
  const server = await toyServer(
    t,
    (_sql, _reply, _connection, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          reason = signal.reason;
          reject(reason);
        });
      }),
  );
  const client = await connectSocket(server.path);
  const running = t.throwsAsync(client.query("x"), { code: "connection_failure" });
  await sleep(50);
  await server.destroy();
  await running;
  t.like(reason, { code: "admin_shutdown" });
});
