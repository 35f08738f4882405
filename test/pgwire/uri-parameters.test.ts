import { execFileSync } from "node:child_process";
import test from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import { createPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import type { NeonError } from "../../src/errors.js";
import { connect } from "../../src/pgwire/connect.js";
import { parseUri } from "../../src/pgwire/connection-uri.js";
import { readUriParameters } from "../../src/pgwire/uri-parameters.js";

const psql = findTool("psql");
const withPsql = psql === undefined ? test.skip : test;

let postgres: TestPostgres;
test.before(async () => {
  postgres = await createPostgres({ major: 15, settings: { fsync: "off" } });
  await postgres.query("create database other");
});
test.after.always(() => postgres?.remove());

/** A query that the server is to answer with true, or false where it is a literal. */
const HONOURED: [query: string, sql: string][] = [
  ["application_name=a%20b", "current_setting('application_name') = 'a b'"],
  ["application_name=a+b", "current_setting('application_name') = 'a+b'"],
  ["application_name=first&application_name=last", "current_setting('application_name') = 'last'"],
  ["fallback_application_name=f", "current_setting('application_name') = 'f'"],
  ["dbname=other", "current_database() = 'other'"],
  ["options=-c%20work_mem%3D77MB", "current_setting('work_mem') = '77MB'"],
  ["connect_timeout=0&keepalives=0&target_session_attrs=any&channel_binding=prefer", "true"],
  ["keepalives=1&keepalives_idle=5&gssencmode=disable&load_balance_hosts=disable", "true"],
];

for (const [query, sql] of HONOURED) {
  test(`?${query} is honoured`, async (t) => {
    const client = await connect({ uri: `${postgres.uri}?${query}` });
    t.is((await client.query(`select ${sql}`))[0]?.rows[0]?.[0], "t");
    await client.close();
  });
}

test("host, port and user may stand behind the question mark", async (t) => {
  const { hostname, port } = new URL(postgres.uri);
  const client = await connect({
    uri: `postgresql:///postgres?host=${hostname}&port=${port}&user=postgres&dbname=other`,
  });
  t.deepEqual((await client.query("select user, current_database()"))[0]?.rows, [["postgres", "other"]]);
  await client.close();
});

const REFUSED: [query: string, message: RegExp, code: string][] = [
  ["foo=bar", /^invalid URI query parameter: "foo"$/, "22023"],
  ["PASSWORD=hunter2", /^invalid URI query parameter: "PASSWORD"$/, "22023"],
  ["database=hunter2", /^invalid URI query parameter: "database"$/, "22023"],
  ["uselibpqcompat=true", /^invalid URI query parameter: "uselibpqcompat"$/, "22023"],
  ["__proto__=hunter2", /^invalid URI query parameter: "__proto__"$/, "22023"],
  ["ssl=1", /^this value of the URI query parameter "ssl" is not supported$/, "22023"],
  ["%zz=hunter2", /^invalid URI query parameter$/, "22023"],
  ["password=x%zzhunter2", /^invalid URI query parameter$/, "22023"],
  ["hunter2", /^invalid URI query parameter$/, "22023"],
  ["password=a&hunter2=", /^invalid URI query parameter$/, "22023"],
  ["password=hunter2&foo", /^invalid URI query parameter$/, "22023"],
  ["application_name=a&&", /^invalid URI query parameter$/, "22023"],
];
const UNSUPPORTED: [query: string, message: RegExp, code: string][] = [
  ["hostaddr=127.0.0.1", /"hostaddr" is not supported/, "0A000"],
  ["service=hunter2", /"service" is not supported/, "0A000"],
  ["sslpassword=hunter2", /"sslpassword" is not supported/, "0A000"],
  ["replication=database", /"replication" is not supported/, "0A000"],
  ["host=a,b", /this value of the URI query parameter "host"/, "22023"],
  ["channel_binding=require", /this value of the URI query parameter "channel_binding"/, "22023"],
  [
    "target_session_attrs=read-write",
    /this value of the URI query parameter "target_session_attrs"/,
    "22023",
  ],
  ["connect_timeout=soon", /this value of the URI query parameter "connect_timeout"/, "22023"],
];

for (const [query, message, sqlstate] of [...REFUSED, ...UNSUPPORTED]) {
  test(`?${query} is refused by name, and no value is told`, async (t) => {
    const error = (await t.throwsAsync(connect({ uri: `postgresql://127.0.0.1:1/?${query}` }), {
      message,
    })) as NeonError;
    t.is(error.sqlstate, sqlstate);
    t.false(`${error.message} ${error.hint} ${error.detail}`.includes("hunter2"));
  });
}

for (const [query] of REFUSED) {
  withPsql(`psql refuses ?${query} too`, (t) => {
    const error = t.throws(() =>
      execFileSync(psql as string, ["-X", "-d", `postgresql://127.0.0.1:1/?${query}`, "-c", ""], {
        stdio: "pipe",
      }),
    );
    t.regex(
      String(error),
      /invalid URI query parameter|invalid percent-encoded token|missing key\/value separator/,
    );
  });
}

test("a password keeps its plus sign, and may hold what is encoded", (t) => {
  t.is(readUriParameters("password=a+b%26c%3D%2B").get("password"), "a+b&c=+");
  t.is(parseUri("postgresql://h/?password=a+b").url.searchParams.get("password"), "a+b");
});

test("time limits are libpq's: seconds, and none if not above 0", (t) => {
  t.is(parseUri("postgresql://h/?connect_timeout=7").connectTimeoutMs, 7000);
  t.is(parseUri("postgresql://h/?connect_timeout=-1").connectTimeoutMs, 0);
  t.is(parseUri("postgresql://h/").connectTimeoutMs, undefined);
  t.is(parseUri("postgresql://h/?keepalives_idle=5").keepAliveMs, 5000);
  t.is(parseUri("postgresql://h/?keepalives=0&keepalives_idle=5").keepAliveMs, undefined);
  t.is(parseUri("postgresql://h/?ssl=true").sslmode, "require");
});
