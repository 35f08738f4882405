import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import { connect } from "../../src/pgwire/connect.js";
import { temporaryDirectory } from "./toy-server.js";

let postgres: TestPostgres;
test.before(async () => {
  const settings = { fsync: "off", idle_session_timeout: "1min", client_min_messages: "error" };
  postgres = await createPostgres({ major: 15, settings });
  await postgres.query("create role keeper login replication password 'open sesame'");
  await postgres.query("create role odd login replication");
  const hba = join(postgres.dataDir, "pg_hba.conf");
  const lines = ["keeper", "odd"].map((role) => `host all,replication ${role} 127.0.0.1/32 scram-sha-256\n`);
  await writeFile(hba, lines.join("") + (await readFile(hba, "utf8")));
  await postgres.query("select pg_reload_conf()");
});
test.after.always(() => postgres?.remove());

async function shown(uri: string, replication: boolean, name: string): Promise<string | null | undefined> {
  const client = await connect({ uri, replication });
  const [result] = await client.query(`SHOW ${name}`);
  await client.close();
  return result?.rows[0]?.[0];
}

test("a replication connection may be idle, and hears warnings, whatever the server is set to", async (t) => {
  t.is(await shown(postgres.uri, true, "idle_session_timeout"), "0");
  t.is(await shown(postgres.uri, true, "client_min_messages"), "warning");
  t.is(await shown(postgres.uri, false, "idle_session_timeout"), "1min");
});

test("the options of the URI are kept, and win", async (t) => {
  const uri = `${postgres.uri}?options=-c%20idle_session_timeout%3D2min%20-c%20work_mem%3D3MB`;
  t.is(await shown(uri, true, "idle_session_timeout"), "2min");
  t.is(await shown(uri, true, "work_mem"), "3MB");
  t.is(await shown(uri, true, "client_min_messages"), "warning");
});

for (const [database, path, replication, taken] of [
  ["replication", "", true, true],
  ["keeper", "", true, true],
  ["*", "", true, true],
  ["shop", "", true, false],
  ["replication", "", false, false],
  ["postgres", "postgres", true, true],
] as const) {
  const what = `${replication ? "a replication" : "an ordinary"} connection to "/${path}"`;
  test.serial(
    `a password for the database ${database} is ${taken ? "taken" : "not taken"} for ${what}`,
    async (t) => {
      const file = join(await temporaryDirectory(t), "pgpass");
      await writeFile(file, `127.0.0.1:${postgres.port}:${database}:keeper:open sesame\n`, { mode: 0o600 });
      process.env.PGPASSFILE = file;
      t.teardown(() => delete process.env.PGPASSFILE);
      const connecting = connect({
        uri: `postgresql://keeper@127.0.0.1:${postgres.port}/${path}`,
        replication,
      });
      if (!taken) return t.throwsAsync(connecting, { code: "invalid_password" });
      return t.notThrowsAsync(connecting.then((client) => client.close()));
    },
  );
}

// What SASLprep maps or normalizes, and what it prohibits or does not know, so that Postgres leaves all of it as it is.
for (const password of [
  "päss",
  "nb\u00a0sp",
  "so\u00adft",
  "\u00aa",
  "nfd-e\u0301",
  "emoji😀",
  "nbsp\u00a0emoji😀",
  "ligature ﬁ 😀",
  "ﬁ\u200eb",
  "\u05d0ab\u00a0",
  "\u00ad",
  " lead and trail ",
  "a:b@c/d?e#f%g+h&i\\'\"",
]) {
  test.serial(
    `Postgres takes the password ${JSON.stringify(password)} from the URI and from PGPASSWORD`,
    async (t) => {
      await postgres.query(`alter role odd password '${password.replaceAll("'", "''")}'`);
      const place = `127.0.0.1:${postgres.port}/postgres`;
      const inUri = await connect({ uri: `postgresql://odd:${encodeURIComponent(password)}@${place}` });
      await inUri.close();
      process.env.PGPASSWORD = password;
      t.teardown(() => delete process.env.PGPASSWORD);
      const inEnvironment = await connect({ uri: `postgresql://odd@${place}`, replication: true });
      await inEnvironment.close();
      process.env.PGPASSWORD = `${password}x`;
      await t.throwsAsync(connect({ uri: `postgresql://odd@${place}` }), { code: "invalid_password" });
    },
  );
}
