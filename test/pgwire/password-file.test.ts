import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import type { NeonError } from "../../src/errors.js";
import { connect } from "../../src/pgwire/connect.js";
import { requireFilePassword } from "../../src/pgwire/password-file.js";
import { createVerifier, parseVerifier, type ScramVerifier } from "../../src/pgwire/scram/scram-verifier.js";
import { maskPasswords } from "../../src/server/connection-uri.js";
import { temporaryDirectory, toyServer } from "./toy-server.js";

const TARGET = { host: "db.example", port: 6400, databases: ["shop"], user: "bob" };

const LINES: [what: string, text: string, target: object, password: string | undefined][] = [
  ["a line that names all", "db.example:6400:shop:bob:pw", {}, "pw"],
  ["stars", "*:*:*:*:pw", {}, "pw"],
  ["the first line that fits", "x:*:*:*:a\n*:*:shop:*:b\n*:*:*:*:c", {}, "b"],
  ["a comment", "# *:*:*:*:a\n#*:*:*:*:b\n*:*:*:*:c", {}, "c"],
  ["colons and backslashes of the password", "*:*:*:*:a:b\\:c\\\\d", {}, "a:b:c\\d"],
  ["escaped colons", "\\:\\:1:*:*:b\\:ob:pw", { host: "::1", user: "b:ob" }, "pw"],
  ["an escaped star, which is a star", "*:*:*:\\*:pw", {}, undefined],
  ["the default directory of unix sockets as localhost", "localhost:*:*:*:pw", { host: "/tmp" }, "pw"],
  ["another directory of unix sockets", "/run/db:*:*:*:pw", { host: "/run/db" }, "pw"],
  ["line ends of Windows", "*:*:*:*:pw\r\n", {}, "pw"],
  ["another port", "*:5432:*:*:pw", {}, undefined],
  ["another user", "*:*:*:alice:pw", {}, undefined],
  ["an empty password", "*:*:*:*:", {}, undefined],
  ["too few fields", "*:*:*:pw", {}, undefined],
  ["nothing", "", {}, undefined],
];

for (const [what, text, target, password] of LINES) {
  test.serial(
    `a password file with ${what} ${password === undefined ? "has no password" : "has the password"}`,
    async (t) => {
      const path = join(await temporaryDirectory(t), "pgpass");
      await writeFile(path, text, { mode: 0o600 });
      process.env.PGPASSFILE = path;
      const found = requireFilePassword({ ...TARGET, ...target });
      if (password !== undefined) return t.is(await found, password);
      await t.throwsAsync(found, { code: "invalid_password" });
    },
  );
}

test.serial("a password file that others can read is not used, and the message says so", async (t) => {
  const path = join(await temporaryDirectory(t), "pgpass");
  await writeFile(path, "*:*:*:*:s3cret");
  await chmod(path, 0o640);
  process.env.PGPASSFILE = path;
  const error = (await t.throwsAsync(requireFilePassword(TARGET))) as NeonError;
  t.is(error.code, "invalid_password");
  t.regex(error.message, /the password file .*pgpass is not used: others can read it$/);
  t.is(error.hint, `chmod 0600 ${path}`);
  t.false(`${error.message} ${error.hint}`.includes("s3cret"));
});

test.serial(
  "connect() takes the password from the URI, PGPASSWORD, PGPASSFILE and ~/.pgpass, in this order",
  async (t) => {
    const verifier = parseVerifier(await createVerifier(Buffer.from("right"))) as ScramVerifier;
    const users = async () => ({ verifiers: new Map([["bob", verifier]]), mockNonce: Buffer.alloc(32) });
    const server = await toyServer(t, async (_sql, reply) => reply.commandComplete("OK"), { users });
    const home = await temporaryDirectory(t);
    const file = join(await temporaryDirectory(t), "pgpass");
    const before = { ...process.env };
    t.teardown(() => Object.assign(process.env, before));
    process.env.HOME = home;
    const logIn = async (password = "") => {
      const connection = await connect({ uri: `postgresql://bob${password}@${server.tcp}/` });
      await connection.close();
    };
    delete process.env.PGPASSWORD;
    delete process.env.PGPASSFILE;

    const error = (await t.throwsAsync(logIn())) as NeonError;
    t.like(error, {
      code: "invalid_password",
      message: 'the server asks user "bob" for a password, and there is none',
      hint: `Write it into the URI, behind the user and a colon, or into ${join(home, ".pgpass")}, which is read by who connects.`,
    });
    t.is(maskPasswords(String(error.hint)), String(error.hint));

    await writeFile(join(home, ".pgpass"), `${server.tcp}:bob:bob:right\n`, { mode: 0o600 });
    await t.notThrowsAsync(logIn());
    process.env.PGPASSFILE = file;
    await writeFile(file, "*:*:*:*:wrong\n", { mode: 0o600 });
    await t.throwsAsync(logIn(), { code: "invalid_password", message: /^password authentication failed/ });
    process.env.PGPASSWORD = "right";
    await t.notThrowsAsync(logIn());
    process.env.PGPASSWORD = "wrong";
    await t.notThrowsAsync(logIn(":right"));
  },
);
