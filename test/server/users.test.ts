import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import { findTool } from "../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import type { NeonError } from "../../src/errors.js";
import { connect, connectSocket } from "../../src/pgwire/connect.js";
import { createVerifier } from "../../src/pgwire/scram/scram-verifier.js";
import { call, callStream } from "../../src/server/call.js";
import { changeUsers, initRepository, socketPath } from "../../src/server/config.js";
import { PageServer } from "../../src/server/page-server.js";
import { runPsql, temporaryServer } from "../support/temporary-server.js";

const { userAdd, userList, userRemove, originAdd, originList, performPush, branchList } =
  PageServerService.method;
const VERIFIER = await createVerifier(Buffer.from("hunter2"));
const OTHER = await createVerifier(Buffer.from("hunter3"));

/** Logs in over TCP; the SQLSTATE of the refusal, or "in". */
async function logIn(uri: string, user = "bob", password = "hunter2"): Promise<string> {
  try {
    const connection = await connect({ uri: uri.replace("//", `//${user}:${password}@`) });
    await connection.close();
    return "in";
  } catch (error) {
    return (error as NeonError).sqlstate;
  }
}

test("users are added, changed, listed and removed, and each change is in force for the next connection", async (t) => {
  const { connect: open, uri, remove } = await temporaryServer();
  t.teardown(remove);
  const local = await open();
  t.deepEqual(await callStream(local, userList, {}), []);
  const before = await connect({ uri });

  t.like(await call(local, userAdd, { name: "bob", verifier: VERIFIER }), { name: "bob" });
  t.is(await logIn(uri), "in");
  t.is(await logIn(uri, "bob", "hunter3"), "28P01");
  t.is(await logIn(uri, "eve"), "28P01");
  t.deepEqual(await callStream(before, userList, {}), await callStream(local, userList, {}));

  await call(local, userAdd, { name: "bob", verifier: OTHER });
  t.is(await logIn(uri), "28P01");
  t.is(await logIn(uri, "bob", "hunter3"), "in");
  await call(local, userAdd, { name: "alice", verifier: VERIFIER });
  const listed = await callStream(local, userList, {});
  t.deepEqual(
    listed.map(({ name, method }) => [name, method]),
    [
      ["alice", "scram-sha-256"],
      ["bob", "scram-sha-256"],
    ],
  );

  t.like(await call(local, userRemove, { name: "bob" }), { name: "bob" });
  t.is(await logIn(uri, "bob", "hunter3"), "28P01");
  await t.throwsAsync(call(local, userRemove, { name: "bob" }), {
    code: "undefined_object",
    message: 'user "bob" does not exist',
  });
  await call(local, userRemove, { name: "alice" });
  t.is(await logIn(uri, "whoever"), "in", "without users everybody on this machine is let in");
  await before.close();
  await local.close();
});

test("a verifier is stored as it came, and nothing else is taken in its place", async (t) => {
  const { connect: open, directory, remove } = await temporaryServer();
  t.teardown(remove);
  const connection = await open();
  for (const verifier of ["hunter2", "", "md5d41d8cd98f00b204e9800998ecf8427e", `${VERIFIER}x`]) {
    const error = await t.throwsAsync(call(connection, userAdd, { name: "bob", verifier }), {
      code: "invalid_parameter_value",
    });
    t.regex((error as NeonError).hint ?? "", /neon user add/);
  }
  await call(connection, userAdd, { name: "bob", verifier: VERIFIER });
  t.true(
    (await readFile(join(directory, "config.toml"), "utf8")).includes(
      `[users.bob]\npassword = "${VERIFIER}"\n`,
    ),
  );
  await connection.close();
});

for (const name of ["", "a\nb", "x".repeat(64), "ä".repeat(32), "postgresql://u:hunter2@h/", "u:hunter2@h"]) {
  test(`${JSON.stringify(name)} cannot be the name of a user`, async (t) => {
    const { connect: open, remove } = await temporaryServer();
    t.teardown(remove);
    const connection = await open();
    const error = await t.throwsAsync(call(connection, userAdd, { name, verifier: VERIFIER }), {
      code: "invalid_name",
    });
    t.false(error.message.includes("hunter2"));
    await connection.close();
  });
}

test("a config.toml that cannot be used lets nobody in over TCP, and the log says why", async (t) => {
  const { directory, uri, logged, remove } = await temporaryServer();
  t.teardown(remove);
  await writeFile(join(directory, "config.toml"), "[users.bob]\npassword = 'hunter2'\n");
  const error = (await t.throwsAsync(connect({ uri }))) as NeonError;
  t.like(error, { sqlstate: "28000", message: "the page server cannot read its users" });
  t.true(logged.some((line) => line.includes("users.bob.password")));
  t.false(logged.some((line) => line.includes("hunter2")));
});

test("users that somebody wrote into config.toml by hand are in force, also without a nonce", async (t) => {
  const { directory, uri, remove } = await temporaryServer();
  t.teardown(remove);
  await writeFile(join(directory, "config.toml"), `[users.bob]\npassword = '${VERIFIER}'\n`);
  t.is(await logIn(uri), "in");
  t.is(await logIn(uri, "eve"), "28P01");
});

test("a page server listens beyond loopback only if there are users, and then keeps the last one", async (t) => {
  const temporary = await createTemporaryDirectory("neon-users-");
  t.teardown(() => temporary.remove());
  const directory = await initRepository(temporary.path, { listen: "0.0.0.0:0" });
  const refused = await t.throwsAsync(PageServer.start({ directory }), {
    code: "object_not_in_prerequisite_state",
    message: "listening on 0.0.0.0 takes users, and there are none",
  });
  t.regex((refused as NeonError).hint ?? "", /neon user add/);

  await changeUsers(directory, (users) => void users.set("bob", VERIFIER));
  const server = await PageServer.start({ directory });
  t.teardown(() => server.abort());
  const uri = `postgresql://127.0.0.1:${server.listenAddress?.split(":")[1]}/`;
  t.is(await logIn(uri), "in");
  const local = await connectSocket(socketPath(directory));
  await t.throwsAsync(call(local, userRemove, { name: "bob" }), {
    code: "object_not_in_prerequisite_state",
    message: /^user "bob" is the last one/,
  });
  await local.close();

  // Behind the page server's back: then nobody gets in.
  await changeUsers(directory, (users) => users.clear());
  t.is(await logIn(uri), "28P01");
});

test("a branch is pushed to an origin whose URI has a user and a password, and to none without", async (t) => {
  const here = await temporaryServer({ branches: ["main"] });
  t.teardown(here.remove);
  const there = await temporaryServer();
  t.teardown(there.remove);
  const far = await there.connect();
  await call(far, userAdd, { name: "bob", verifier: VERIFIER });
  const connection = await here.connect();
  await call(connection, originAdd, { name: "cloud", uri: there.uri.replace("//", "//bob:hunter2@") });
  const pushed = await call(connection, performPush, { branch: "main", uri: "cloud" });
  t.is(pushed.decision, Decision.CREATE);
  t.deepEqual(
    (await callStream(far, branchList, {})).map(({ name }) => name),
    ["main"],
  );

  const wrong = there.uri.replace("//", "//bob:hunter3@");
  const refused = (await t.throwsAsync(
    call(connection, performPush, { branch: "main", uri: wrong }),
  )) as NeonError;
  const name = there.uri.replace("//", "//bob@");
  t.is(refused.message, `the page server at ${name}: password authentication failed for user "bob"`);
  t.is(refused.sqlstate, "28P01");
  t.regex(refused.hint ?? "", /neon user add there/);
  t.deepEqual((await callStream(connection, originList, {}))[0]?.uri, there.uri.replace("//", "//bob@"));
  for (const line of [...here.logged, ...there.logged]) t.false(/hunter|SCRAM/.test(line), line);
  await connection.close();
  await far.close();
});

const psql = findTool("psql");
const testWithPsql = psql === undefined ? test.skip : test;

testWithPsql(
  "psql logs in with the password of its URI, and says what a Postgres would say otherwise",
  async (t) => {
    const { connect: open, uri, remove } = await temporaryServer();
    t.teardown(remove);
    const run = (target: string, ...more: string[]) =>
      runPsql(psql as string, target, "user_list", "-wAt", ...more);
    const local = await open();
    await call(local, userAdd, { name: "bob", verifier: VERIFIER });
    await local.close();

    t.like(await run(uri.replace("//", "//bob:hunter2@")), { status: 0, stdout: "bob|scram-sha-256\n" });
    const refusals: [uri: string, text: string][] = [
      [uri.replace("//", "//bob:hunter3@"), 'FATAL:  password authentication failed for user "bob"'],
      [uri.replace("//", "//eve:hunter2@"), 'FATAL:  password authentication failed for user "eve"'],
      [uri.replace("//", "//bob@"), "fe_sendauth: no password supplied"],
      [uri, "fe_sendauth: no password supplied"],
      [
        `${uri.replace("//", "//bob:hunter2@")}?sslmode=require`,
        "server does not support SSL, but SSL was required",
      ],
      [
        `${uri.replace("//", "//bob:hunter2@")}?channel_binding=require`,
        "channel binding required, but SSL not in use",
      ],
    ];
    for (const [target, text] of refusals) {
      const { status, stdout, stderr } = await run(target);
      t.is(status, 2);
      t.is(stdout, "");
      t.true(stderr.endsWith(`failed: ${text}\n`), stderr);
    }
  },
);
