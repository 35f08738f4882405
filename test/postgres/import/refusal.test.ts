import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  createPostgres,
  POSTGRES_MAJORS,
  type PostgresMajor,
  type TestPostgres,
} from "../../../scripts/support/postgres.js";
import { NeonError } from "../../../src/errors.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { openStore } from "./open-store.js";

/** Imports, and checks the refusal and that nothing is left of it. */
async function refusal(t: ExecutionContext, uri: string, server?: TestPostgres): Promise<NeonError> {
  const store = await openStore(t);
  const error = await t.throwsAsync(importCluster({ store, branch: "main", uri }), { instanceOf: NeonError });
  t.deepEqual(store.listBranches(), []);
  if (server !== undefined) t.deepEqual(await server.query("select slot_name from pg_replication_slots"), []);
  t.false(`${error?.message} ${error?.hint} ${error?.detail}`.includes("s3cret"), "the password shows");
  return error as NeonError;
}

async function start(t: ExecutionContext, settings: Record<string, string> = {}, major: PostgresMajor = 15) {
  const server = await createPostgres({ major, settings });
  t.teardown(() => server.remove());
  return server;
}

for (const major of [14, 15] as const) {
  test(`${major}: a tablespace path that its base backup cannot hold is refused with the way out`, async (t) => {
    const server = await start(t, {}, major);
    const location = join(server.socketDir, "t".repeat(110));
    await server.query(`copy (select 1) to program 'cat > /dev/null; mkdir ${location}'`);
    await server.query(`create tablespace far location '${location}'`);
    const error = await refusal(t, server.uri);
    t.regex(error.message, /symbolic link target too long/);
    t.regex(error.hint ?? "", /at most 99 bytes/);
  });
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: a role without the REPLICATION attribute is refused with the way to give it`, async (t) => {
    const server = await start(t, {}, major);
    await server.query("create role plain login password 's3cret'");
    const error = await refusal(t, server.uri.replace("postgres@", "plain:s3cret@"), server);
    t.is(error.sqlstate, "42501");
    t.regex(error.hint ?? "", /ALTER ROLE .* REPLICATION/);
    t.is(error.party, "source");
  });

  test(`${major}: wal_level=minimal is refused with the settings to change`, async (t) => {
    const server = await start(t, { wal_level: "minimal", max_wal_senders: "0" }, major);
    const error = await refusal(t, server.uri, server);
    t.is(error.sqlstate, "55000");
    t.regex(error.message, /wal_level=minimal/);
    t.regex(error.hint ?? "", /wal_level.*replica.*restart/);
  });

  test(`${major}: too few WAL senders are refused with the setting to raise`, async (t) => {
    const server = await start(t, { max_wal_senders: "1" }, major);
    const error = await refusal(t, server.uri, server);
    t.is(error.sqlstate, "53300");
    t.regex(error.hint ?? "", /max_wal_senders/);
  });

  test(`${major}: too few replication slots are refused with the setting to raise`, async (t) => {
    const server = await start(t, { max_replication_slots: "1" }, major);
    await server.query("select pg_create_physical_replication_slot('taken')");
    const store = await openStore(t);
    const error = await t.throwsAsync(importCluster({ store, branch: "main", uri: server.uri }), {
      instanceOf: NeonError,
    });
    t.is(error?.sqlstate, "53400");
    t.regex(error?.hint ?? "", /max_replication_slots/);
  });

  test(`${major}: a pg_hba.conf without a line for replication is refused with the line to add`, async (t) => {
    const server = await start(t, {}, major);
    const file = join(server.dataDir, "pg_hba.conf");
    const lines = (await readFile(file, "utf8")).split("\n");
    await writeFile(file, lines.filter((line) => !line.includes("replication")).join("\n"));
    await server.query("select pg_reload_conf()");
    await new Promise((resolve) => setTimeout(resolve, 500));
    const error = await refusal(t, server.uri, server);
    t.is(error.sqlstate, "28000");
    t.regex(error.hint ?? "", /pg_hba\.conf.*host replication/);
  });
}

test("a role that does not exist is refused", async (t) => {
  const server = await start(t);
  const error = await refusal(t, server.uri.replace("postgres@", "nobody:s3cret@"), server);
  t.is(error.sqlstate, "28000");
  t.truthy(error.hint);
});

test("a wrong password is refused without showing it", async (t) => {
  const server = await start(t);
  const file = join(server.dataDir, "pg_hba.conf");
  await server.query("create role other login replication password 'another'");
  await writeFile(file, `host replication other all scram-sha-256\n${await readFile(file, "utf8")}`);
  await server.query("select pg_reload_conf()");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const error = await refusal(t, server.uri.replace("postgres@", "other:s3cret@"), server);
  t.is(error.sqlstate, "28P01");
  t.regex(error.hint ?? "", /pgpass/);
});

test("an address where nobody listens is refused", async (t) => {
  const error = await refusal(t, "postgresql://postgres:s3cret@127.0.0.1:1/");
  t.is(error.sqlstate, "08001");
  t.regex(error.hint ?? "", /running/);
  t.true(error.retryable);
});

test("a text that is no connection URI is refused", async (t) => {
  t.is((await refusal(t, "http://postgres:s3cret@127.0.0.1/")).sqlstate, "22023");
});

test("a server that is no PostgreSQL is refused", async (t) => {
  const http = createServer((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.teardown(() => http.close());
  const { port } = http.address() as { port: number };
  const error = await refusal(t, `postgresql://postgres:s3cret@127.0.0.1:${port}/`);
  t.is(error.sqlstate, "08001");
  t.regex(error.hint ?? "", /PostgreSQL/);
});
