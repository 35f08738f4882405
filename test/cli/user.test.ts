import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { findTool } from "../../scripts/support/postgres.js";
import { connect } from "../../src/pgwire/connect.js";
import { createVerifier, parseVerifier } from "../../src/pgwire/scram/scram-verifier.js";
import { MAIN, neon, type Outcome, temporaryDirectory, temporaryRepository } from "./support/neon.js";

/** Runs `neon` with something on its stdin. */
function neonWith(cwd: string, input: string | Buffer, ...words: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
    cwd,
    input,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test.serial(
  "user add takes the password from stdin; list and remove do what they say, page server or not",
  async (t) => {
    const directory = await temporaryRepository(t);
    t.deepEqual(neonWith(directory, "s3cret\n", "user", "add", "bob"), {
      status: 0,
      stdout: "User bob has a password\n",
      stderr: "",
    });
    t.is((await neon(directory, "user", "list")).stdout, "USER  METHOD\nbob   scram-sha-256\n");
    const { listen } = JSON.parse((await neon(directory, "start", "--json")).stdout);
    t.deepEqual(JSON.parse(neonWith(directory, "pa ss\r\nnext", "user", "add", "eve", "--json").stdout), {
      name: "eve",
    });
    for (const login of ["bob:s3cret", "eve:pa%20ss"]) {
      await (await connect({ uri: `postgresql://${login}@${listen}/` })).close();
    }
    t.deepEqual(JSON.parse((await neon(directory, "user", "list", "--json")).stdout), [
      { name: "bob", method: "scram-sha-256" },
      { name: "eve", method: "scram-sha-256" },
    ]);
    t.is((await neon(directory, "user", "remove", "eve")).stdout, "Removed user eve\n");
    await t.throwsAsync(connect({ uri: `postgresql://eve:pa%20ss@${listen}/` }), {
      code: "invalid_password",
    });

    for (const file of ["config.toml", "log"]) {
      const text = await readFile(join(directory, ".neon", file), "utf8");
      t.false(/s3cret|pa ss/.test(text), file);
      t.is(text.includes("SCRAM-SHA-256$"), file === "config.toml");
    }
  },
);

const UNUSABLE: [what: string, input: string | Buffer, message: string][] = [
  ["nothing on stdin", "", "the password is empty"],
  ["an empty line", "\ns3cret\n", "the password is empty"],
  ["a zero byte", "s3\0cret\n", "the password holds a zero byte"],
  ["a megabyte", Buffer.alloc(1 << 20, "s3cret"), "the password is longer than 4096 bytes"],
];
for (const [what, input, message] of UNUSABLE) {
  test.serial(`user add refuses ${what}`, async (t) => {
    const directory = await temporaryRepository(t);
    t.deepEqual(neonWith(directory, input, "user", "add", "bob"), {
      status: 1,
      stdout: "",
      stderr: `neon: ${message}\n`,
    });
    t.is((await neon(directory, "user", "list")).stdout, "No users\n");
  });
}

test.serial("user add says what cannot be done before it asks for a password", async (t) => {
  const nowhere = await temporaryDirectory(t);
  t.regex(neonWith(nowhere, "s3cret\n", "user", "add", "bob").stderr, /^neon: there is no neon repository/);
  const directory = await temporaryRepository(t);
  t.regex(
    neonWith(directory, "", "user", "add", "u:s3cret@h").stderr,
    /^neon: that cannot be the name of a user\n/,
  );
  t.is(neonWith(directory, "s3cret\n", "user", "add").status, 2);
});

test.serial("a password that is not UTF-8 is taken byte by byte, as Postgres does", async (t) => {
  const directory = await temporaryRepository(t);
  const latin1 = Buffer.from("s\u00e9cret", "latin1");
  t.is(neonWith(directory, Buffer.concat([latin1, Buffer.from("\n")]), "user", "add", "bob").status, 0);
  const config = await readFile(join(directory, ".neon", "config.toml"), "utf8");
  const verifier = /password = "([^"]*)"/.exec(config)?.[1] ?? "";
  t.is(verifier, await createVerifier(latin1, parseVerifier(verifier)?.salt));
});

const script = spawnSync("script", ["--version"]).stdout?.includes("util-linux") ?? false;
const testWithTerminal = script ? test.serial : test.serial.skip;

/** Runs `neon user add bob` in a terminal, types each answer after its prompt, and gives what the screen shows. */
async function typed(cwd: string, ...answers: [prompt: string, text: string][]) {
  const command = `${process.execPath} ${MAIN} user add bob`;
  const child = spawn("script", ["-qec", command, "/dev/null"], { cwd, stdio: ["pipe", "pipe", "inherit"] });
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    screen += text;
    const [next] = answers;
    if (next !== undefined && screen.endsWith(next[0]))
      child.stdin.write((answers.shift() as [string, string])[1]);
  });
  const [status] = await once(child, "close");
  return { status, screen: screen.replaceAll("\r", "") };
}

const FIRST = "Enter password for user bob: ";
const SECOND = "Enter it again: ";

testWithTerminal("in a terminal user add asks twice and shows nothing of what is typed", async (t) => {
  const directory = await temporaryRepository(t);
  t.deepEqual(await typed(directory, [FIRST, "s3cret\r"], [SECOND, "s3cretX\x7f\r"]), {
    status: 0,
    screen: `${FIRST}\n${SECOND}\nUser bob has a password\n`,
  });
  const { listen } = JSON.parse((await neon(directory, "start", "--json")).stdout);
  await (await connect({ uri: `postgresql://bob:s3cret@${listen}/` })).close();
});

testWithTerminal("two passwords that differ, an empty one and Ctrl-C change nothing", async (t) => {
  const directory = await temporaryRepository(t);
  t.deepEqual(await typed(directory, [FIRST, "s3cret\r"], [SECOND, "secret\r"]), {
    status: 1,
    screen: `${FIRST}\n${SECOND}\nneon: the passwords did not match\n`,
  });
  t.deepEqual(await typed(directory, [FIRST, "\r"]), {
    status: 1,
    screen: `${FIRST}\nneon: the password is empty\n`,
  });
  t.deepEqual(await typed(directory, [FIRST, "s3c\x03"]), {
    status: 130,
    screen: `${FIRST}\nneon: canceled\n`,
  });
  t.is((await neon(directory, "user", "list")).stdout, "No users\n");
});

const psql = findTool("psql");
const testWithPsql = psql === undefined ? test.serial.skip : test.serial;

testWithPsql("psql logs in with PGPASSWORD and with ~/.pgpass", async (t) => {
  const directory = await temporaryRepository(t);
  neonWith(directory, "s3cret\n", "user", "add", "bob");
  const { listen } = JSON.parse((await neon(directory, "start", "--json")).stdout);
  const run = (env: object) =>
    spawnSync(psql as string, ["-XwAt", "-c", "user_list", `postgresql://bob@${listen}/`], {
      env: { PATH: process.env.PATH, ...env },
      encoding: "utf8",
    }).stdout;
  t.is(run({ PGPASSWORD: "s3cret" }), "bob|scram-sha-256\n");
  t.is(run({ PGPASSWORD: "secret" }), "");
  await writeFile(join(directory, "pgpass"), `${listen}:*:bob:s3cret\n`, { mode: 0o600 });
  t.is(run({ PGPASSFILE: join(directory, "pgpass") }), "bob|scram-sha-256\n");
});
