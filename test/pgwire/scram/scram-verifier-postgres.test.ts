import test from "ava";
import pg from "pg";
import { createPostgres, type TestPostgres } from "../../../scripts/support/postgres.js";
import { createVerifier, parseVerifier } from "../../../src/pgwire/scram/scram-verifier.js";
import { toyServer } from "../toy-server.js";

let postgres: TestPostgres;
test.before(async () => {
  postgres = await createPostgres({ major: 15, settings: { fsync: "off" } });
  const hba = await postgres.query("show hba_file");
  await postgres.query(
    `copy (select 'host all +tested 127.0.0.1/32 scram-sha-256' union all select 'local all all trust') to '${hba[0]?.[0]}'`,
  );
  await postgres.query("create role tested");
  await postgres.query("select pg_reload_conf()");
});
test.after.always(() => postgres?.remove());

/** What Postgres stores for each password. */
async function postgresVerifiers(passwords: readonly string[]): Promise<string[]> {
  const literals = passwords.map((password) => `'${password.replaceAll("'", "''")}'`);
  const rows = await postgres.query(`
    create temporary table made (i serial, verifier text);
    do $do$
    declare password text;
    begin
      create role scratch;
      foreach password in array array[${literals}]::text[] loop
        execute format('alter role scratch password %L', password);
        insert into made (verifier) select rolpassword from pg_authid where rolname = 'scratch';
      end loop;
      drop role scratch;
    end $do$;
    select verifier from made order by i`);
  return rows.map(([verifier]) => verifier ?? "");
}

const PASSWORDS: [what: string, password: string][] = [
  ["ASCII", "correct horse battery staple"],
  ["control characters, which ASCII may hold", "a\tb\u0001c\u007f"],
  ["a composed letter", "s\u00e9cret"],
  ["a decomposed letter", "se\u0301cret"],
  ["a ligature", "\ufb01nd"],
  ["full width letters", "\uff41\uff42\uff43"],
  ["spaces that are not ASCII", "a\u00a0b\u3000c\u2003d\u200be"],
  ["what is mapped to nothing", "a\u00adb\u200dc\ufeff"],
  ["nothing but what is mapped to nothing", "\u00ad\u200d"],
  ["a prohibited character and a ligature", "\u0085\ufb01"],
  ["a private character and a ligature", "\ue000\ufb01"],
  ["a tag character and a ligature", "\u{e0041}\ufb01"],
  ["a letter that is newer than Unicode 3.2, and a ligature", "\u0221\ufb01"],
  ["an emoji and a ligature", "\u{1f600}\ufb01"],
  ["right to left", "\u05d0\u2460\u05d1"],
  ["right to left that begins otherwise", "\u2460\u05d1"],
  ["right to left that ends otherwise", "\u05d0\u2460"],
  ["right to left with Latin inside", "\u05d0a\u2460\u05d1"],
  ["compatibility ideographs", "\uf900\u{2f800}"],
  ["a character that normalization makes several of", "\ufdfa"],
];

test("a verifier is the one that Postgres makes of the same password and salt", async (t) => {
  const theirs = await postgresVerifiers(PASSWORDS.map(([, password]) => password));
  for (const [index, [what, password]] of PASSWORDS.entries()) {
    const verifier = parseVerifier(theirs[index] as string);
    t.is(await createVerifier(Buffer.from(password), verifier?.salt), theirs[index] as string, what);
  }
});

test("so it is for characters from all over Unicode", async (t) => {
  const passwords: string[] = [];
  for (let codePoint = 0x80; codePoint < 0x110000 && passwords.length < 600; ) {
    const character = String.fromCodePoint(codePoint);
    // A normalized 1 shows that the character is allowed; the second one, that it may stand inside of Hebrew.
    if (codePoint < 0xd800 || codePoint > 0xdfff)
      passwords.push(`\u2460${character}`, `\u05d0\u2460${character}\u05d0`);
    codePoint += codePoint < 0x3400 ? 47 : 9973;
  }
  const theirs = await postgresVerifiers(passwords);
  t.true(passwords.length > 500);
  for (const [index, password] of passwords.entries()) {
    const verifier = parseVerifier(theirs[index] as string);
    t.is(
      await createVerifier(Buffer.from(password), verifier?.salt),
      theirs[index] as string,
      JSON.stringify(password),
    );
  }
});

test("Postgres lets somebody in by a verifier of ours", async (t) => {
  const verifier = await createVerifier(Buffer.from("open s\u00e9same"));
  await postgres.query(`create role ours login in role tested password '${verifier}'`);
  t.deepEqual(await postgres.query("select rolpassword from pg_authid where rolname = 'ours'"), [[verifier]]);
  const login = (password: string) => logIn({ port: postgres.port, user: "ours", password });
  t.is(await login("open s\u00e9same"), "ours");
  await t.throwsAsync(login("open sesame"), { code: "28P01" });
});

test("a verifier of Postgres's lets somebody in here", async (t) => {
  const [text] = await postgresVerifiers(["open s\u00e9same"]);
  const verifier = parseVerifier(text as string);
  if (verifier === undefined) return t.fail(text);
  const users = async () => ({ verifiers: new Map([["theirs", verifier]]), mockNonce: Buffer.alloc(32) });
  const server = await toyServer(
    t,
    async (_sql, reply, connection) => {
      reply.rowDescription([{ name: "user", dataTypeID: 25 }]);
      await reply.dataRow([connection.startup.get("user") ?? null]);
      reply.commandComplete("SELECT 1");
    },
    { users },
  );
  const port = Number(server.tcp.split(":")[1]);
  t.is(await logIn({ port, user: "theirs", password: "open s\u00e9same" }), "theirs");
  await t.throwsAsync(logIn({ port, user: "theirs", password: "open sesame" }), {
    code: "28P01",
    message: 'password authentication failed for user "theirs"',
  });
});

/** The user that a server sees, through the `pg` client. */
async function logIn(target: { port: number; user: string; password: string }): Promise<string> {
  const client = new pg.Client({ host: "127.0.0.1", database: "postgres", ...target });
  await client.connect();
  try {
    return (await client.query('select current_user as "user"')).rows[0].user;
  } finally {
    await client.end();
  }
}
