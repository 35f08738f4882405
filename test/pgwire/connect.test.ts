import { readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import test from "ava";
import { createPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import { NeonError } from "../../src/errors.js";
import { connect, connectSocket } from "../../src/pgwire/connect.js";
import { temporaryDirectory, toyServer } from "./toy-server.js";

let postgres: TestPostgres;
test.before(async () => {
  postgres = await createPostgres({ major: 15, settings: { fsync: "off", wal_keep_size: "256MB" } });
  await postgres.query("create role keeper login password 'open sesame'");
  await postgres.query(
    "create table t as select i, repeat(md5(i::text), 20) from generate_series(1, 20000) i",
  );
  const hba = join(postgres.dataDir, "pg_hba.conf");
  await writeFile(hba, `host all keeper 127.0.0.1/32 scram-sha-256\n${await readFile(hba, "utf8")}`);
  await postgres.query("select pg_reload_conf()");
});
test.after.always(() => postgres?.remove());

test("a query gives all its result sets, and null apart from the empty text", async (t) => {
  const client = await connect({ uri: postgres.uri });
  const notices: string[] = [];
  const results = await client.query(
    "select 1 as a, null as b, '' as c; do $$ begin raise notice 'seen'; end $$; select 'ä' from generate_series(1, 2)",
    { onNotice: ({ severity, message }) => notices.push(`${severity}: ${message}`) },
  );
  t.deepEqual(results, [
    {
      fields: [
        { name: "a", dataTypeID: 23 },
        { name: "b", dataTypeID: 25 },
        { name: "c", dataTypeID: 25 },
      ],
      rows: [["1", null, ""]],
      command: "SELECT 1",
    },
    { fields: [], rows: [], command: "DO" },
    { fields: [{ name: "?column?", dataTypeID: 25 }], rows: [["ä"], ["ä"]], command: "SELECT 2" },
  ]);
  t.deepEqual(notices, ["NOTICE: seen"]);
  t.deepEqual(await client.query(""), [{ fields: [], rows: [], command: "" }]);
  t.regex(client.parameters.get("server_version") ?? "", /^15\./);
  t.is((await client.query("show application_name"))[0]?.rows[0]?.[0], "neon");
  await client.close();
});

test("values that are not UTF-8 survive as latin1", async (t) => {
  const bytes = Buffer.from("ffe9c3", "hex");
  const server = await toyServer(t, async (_sql, reply) => {
    reply.rowDescription([{ name: "content", dataTypeID: 17 }]);
    await reply.dataRow([bytes.toString("latin1")]);
    reply.commandComplete("SELECT 1");
  });
  const client = await connect({ uri: server.uri });
  const [result] = await client.query("x", { encoding: "latin1" });
  t.is(Buffer.from(result?.rows[0]?.[0] ?? "", "latin1").toString("utf8"), bytes.toString("latin1"));
  await client.close();
});

test("a server's error keeps its SQLSTATE and hint, and the connection can be used again", async (t) => {
  const client = await connect({ uri: postgres.uri });
  const error = await t.throwsAsync(client.query("select 1; selec 2"), { message: /syntax error/ });
  t.like(error, { code: "syntax_error", sqlstate: "42601" });
  const unknown = await t.throwsAsync(client.query("select 1/0"));
  t.like(unknown, { code: "internal_error", sqlstate: "22012", message: "division by zero" });
  t.is((await client.query("select 2"))[0]?.rows[0]?.[0], "2");
  await client.close();
});

test("aborting the signal of a query cancels it at the server", async (t) => {
  const client = await connect({ uri: postgres.uri });
  const abort = new AbortController();
  const running = client.query("select pg_sleep(30)", { signal: abort.signal });
  await sleep(100);
  abort.abort();
  await t.throwsAsync(running, { code: "query_canceled" });
  t.is((await client.query("select 2"))[0]?.rows[0]?.[0], "2");
  await client.close();
});

test("one connection runs one command at a time", async (t) => {
  const client = await connect({ uri: postgres.uri });
  const running = client.query("select 1");
  await t.throwsAsync(client.query("select 2"), { code: "object_in_use" });
  t.is((await running).length, 1);
  await client.close();
});

test("a server that is ended by its administrator says so before the connection closes", async (t) => {
  const client = await connect({ uri: postgres.uri, applicationName: "victim" });
  const running = client.query("select pg_sleep(30)");
  await sleep(100);
  await postgres.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'",
  );
  await t.throwsAsync(running, { code: "admin_shutdown" });
  await t.throwsAsync(client.query("select 1"), { code: "admin_shutdown" });
});

test("the password comes from the URI, and no error shows it", async (t) => {
  const at = `127.0.0.1:${postgres.port}/postgres`;
  const client = await connect({ uri: `postgresql://keeper:open%20sesame@${at}` });
  t.is((await client.query("select current_user"))[0]?.rows[0]?.[0], "keeper");
  await client.close();
  const secret = "hocuspocus";
  const wrong = [
    `postgresql://keeper:${secret}@${at}`,
    `postgresql://keeper:${secret}@127.0.0.1:1/x`,
    `postgresql://keeper:${secret}@${at}?sslmode=require`,
    `postgresql://keeper:${secret}@${at}?sslmode=nonsense`,
    `postgresql://keeper:${secret}@[:99/x`,
    `mysql://keeper:${secret}@${at}`,
  ];
  for (const uri of wrong) {
    const error = await t.throwsAsync(connect({ uri }));
    t.false(inspect(error, { depth: 10, showHidden: true }).includes(secret), uri);
  }
  const error = await t.throwsAsync(connect({ uri: wrong[0] as string }));
  t.like(error, { sqlstate: "28P01", party: "connection" });
});

test("a unix socket's directory can be the host", async (t) => {
  const { socketDir, port } = postgres;
  for (const uri of [
    `postgresql:///postgres?host=${socketDir}&port=${port}&user=postgres`,
    `postgresql://postgres@${encodeURIComponent(socketDir)}:${port}/postgres`,
    `postgresql://postgres@/postgres?host=${socketDir}&port=${port}`,
  ]) {
    const client = await connect({ uri });
    t.is((await client.query("select inet_client_addr()"))[0]?.rows[0]?.[0], null);
    await client.close();
  }
});

test("sslmode=prefer goes on without TLS where the server has none", async (t) => {
  const client = await connect({ uri: `${postgres.uri}?sslmode=prefer` });
  await client.close();
  const refused = {
    code: "sqlclient_unable_to_establish_sqlconnection",
    message: /does not support SSL/,
  } as const;
  await t.throwsAsync(connect({ uri: `${postgres.uri}?sslmode=require` }), refused);
});

test("nobody listening, and somebody who never answers, are errors with a reason", async (t) => {
  const code = "sqlclient_unable_to_establish_sqlconnection";
  await t.throwsAsync(connect({ uri: "postgresql://127.0.0.1:1/" }), { code, message: /Connection refused/ });
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const uri = `postgresql://127.0.0.1:${(silent.address() as { port: number }).port}/`;
  await t.throwsAsync(connect({ uri, connectTimeoutMs: 100 }), { code, message: /no answer/ });
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error("enough")), 50);
  await t.throwsAsync(connect({ uri, signal: abort.signal }), { message: "enough" });
  const nowhere = join(await temporaryDirectory(t), "socket");
  await t.throwsAsync(connectSocket(nowhere), { code: "undefined_file" });
});

test("a signal that aborts later destroys the connection", async (t) => {
  const server = await toyServer(t, (_sql, _reply, _connection, signal) => {
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  for (const dial of [
    (signal: AbortSignal) => connect({ uri: server.uri, signal }),
    (signal: AbortSignal) => connectSocket(server.path, { signal }),
  ]) {
    const abort = new AbortController();
    const client = await dial(abort.signal);
    const running = client.query("hang");
    setTimeout(() => abort.abort(new NeonError("query_canceled", "no longer wanted")), 50);
    await t.throwsAsync(running, { message: "no longer wanted" });
  }
});

test("START_REPLICATION streams WAL until the client ends it, and the connection goes on", async (t) => {
  const client = await connect({ uri: postgres.uri, replication: true });
  const [system] = await client.query("IDENTIFY_SYSTEM");
  t.deepEqual(
    system?.fields.map(({ name }) => name),
    ["systemid", "timeline", "xlogpos", "dbname"],
  );
  const session = await client.copyBoth("START_REPLICATION PHYSICAL 0/1000000 TIMELINE 1");
  let position = 0x1000000n;
  for await (const { data } of session.read()) {
    if (data[0] !== 0x77) continue;
    t.is(data.readBigUInt64BE(1), position);
    position += BigInt(data.length - 25);
    if (position >= 0x1400000n) break;
  }
  const results = await session.finish();
  t.deepEqual(
    results.map(({ command }) => command),
    ["START_STREAMING", "START_REPLICATION"],
  );
  t.is((await client.query("IDENTIFY_SYSTEM"))[0]?.rows[0]?.[0], system?.rows[0]?.[0]);
  await client.close();
});

test("an error before and one after CopyBothResponse both leave a usable connection", async (t) => {
  const client = await connect({ uri: postgres.uri, replication: true });
  const before = client.copyBoth("START_REPLICATION PHYSICAL 0/1000000 TIMELINE 9");
  await t.throwsAsync(before, { message: /requested timeline 9 is not in this server's history/ });
  const after = await client.copyBoth("START_REPLICATION PHYSICAL FF/1000000 TIMELINE 1");
  const ahead = { message: /ahead of the WAL flush position/ };
  await t.throwsAsync(async () => {
    for await (const _ of after.read()) t.fail("no data can come");
  }, ahead);
  await t.throwsAsync(after.finish(), ahead);
  t.is((await client.query("IDENTIFY_SYSTEM")).length, 1);
  await client.close();
});

test("rows instead of CopyBoth are the session's result", async (t) => {
  const client = await connect({ uri: postgres.uri, replication: true });
  const session = await client.copyBoth("IDENTIFY_SYSTEM");
  t.false(session.opened);
  for await (const _ of session.read()) t.fail("no data can come");
  t.is((await session.finish())[0]?.rows.length, 1);
  t.is((await client.query("IDENTIFY_SYSTEM")).length, 1);
  await client.close();
});

for (const [major, command, copies] of [
  [14, "BASE_BACKUP LABEL 'x' FAST NOWAIT", 1],
  [15, "BASE_BACKUP (LABEL 'x', CHECKPOINT 'fast', WAIT false)", 1],
  [18, "BASE_BACKUP (LABEL 'x', CHECKPOINT 'fast', WAIT false, MANIFEST 'yes')", 1],
] as const) {
  test(`BASE_BACKUP of Postgres ${major} comes as result sets around a copy`, async (t) => {
    const server = major === 15 ? postgres : await createPostgres({ major, settings: { fsync: "off" } });
    try {
      const client = await connect({ uri: server.uri, replication: true });
      const steps: string[] = [];
      const kept: { data: Buffer; first: string }[] = [];
      let bytes = 0;
      for await (const event of client.copyOut(command)) {
        if (event.type !== "data") {
          steps.push(event.type === "rows" ? (event.result.fields[0]?.name ?? "") : event.type);
          continue;
        }
        bytes += event.data.length;
        if (kept.length < 400) kept.push({ data: event.data, first: event.data.toString("hex") });
      }
      const copy = Array.from({ length: copies }, () => ["copyBegin", "copyEnd"]).flat();
      t.deepEqual(steps, ["recptr", "spcoid", ...copy, "recptr"]);
      t.true(bytes > 15_000_000);
      for (const { data, first } of kept) t.is(data.toString("hex"), first);
      t.is((await client.query("IDENTIFY_SYSTEM")).length, 1);
      await client.close();
    } finally {
      if (server !== postgres) await server.remove();
    }
  });
}

test("what the server remarks while it starts, answers, copies and streams reaches the connection's own function", async (t) => {
  await symlink("nowhere", join(postgres.dataDir, "odd"));
  const heard: string[] = [];
  const listening = async (uri: string) =>
    connect({
      uri,
      replication: true,
      onNotice: ({ severity, message }) => heard.push(`${severity}: ${message}`),
    });
  const client = await listening(`${postgres.uri}?options=-c%20client_min_messages%3Ddebug5`);
  t.true(heard.length > 0, "at its start");
  heard.length = 0;
  await client.query('CREATE_REPLICATION_SLOT "x" TEMPORARY PHYSICAL RESERVE_WAL');
  t.true(heard.length > 0, "while it answers");
  const session = await client.copyBoth("START_REPLICATION PHYSICAL 0/1000000 TIMELINE 1");
  heard.length = 0;
  for await (const _ of session.read()) if (heard.length > 0) break;
  t.true(heard.length > 0, "while it streams");
  client.destroy();
  heard.length = 0;
  const backup = await listening(postgres.uri);
  for await (const _ of backup.copyOut("BASE_BACKUP (CHECKPOINT 'fast', WAIT false)"));
  t.deepEqual(heard, ['WARNING: skipping special file "./odd"']);
  await backup.close();
  await rm(join(postgres.dataDir, "odd"));
});

test("leaving a BASE_BACKUP early destroys the connection", async (t) => {
  const client = await connect({ uri: postgres.uri, replication: true });
  for await (const event of client.copyOut("BASE_BACKUP (CHECKPOINT 'fast', WAIT false)")) {
    if (event.type === "data") break;
  }
  await t.throwsAsync(client.query("IDENTIFY_SYSTEM"), { code: "connection_failure" });
});

test("a wrong BASE_BACKUP is an error, and the connection can be used again", async (t) => {
  const client = await connect({ uri: postgres.uri, replication: true });
  const steps = client.copyOut("BASE_BACKUP NONSENSE")[Symbol.asyncIterator]();
  await t.throwsAsync(steps.next(), { code: "syntax_error" });
  t.is((await client.query("IDENTIFY_SYSTEM")).length, 1);
  await client.close();
});
