import { rm, stat, writeFile } from "node:fs/promises";
import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { findTool } from "../../scripts/support/find-tool.js";
import { connect } from "../../src/pgwire/connect.js";
import { listen } from "../../src/pgwire/listener.js";
import { call, callStream } from "../../src/server/call.js";
import { socketPath, storePath } from "../../src/server/config.js";
import { PageServer } from "../../src/server/page-server.js";
import { Store } from "../../src/timeline/store.js";
import { VERSION } from "../../src/version.js";
import { runPsql, temporaryServer } from "../support/temporary-server.js";

const commands = PageServerService.method;
/** A push session that waits for its client. */
const PUSH = `branch_push waiting ${"00".repeat(16)}`;
const psql = findTool("psql");
const withPsql = psql === undefined ? test.skip : test;

withPsql("psql prints branch_list as a table", async (t) => {
  const { uri, remove } = await temporaryServer({ branches: ["main", "other"] });
  t.teardown(remove);
  const { status, stdout, stderr } = await runPsql(psql as string, uri, "branch_list");
  t.is(stderr, "");
  t.is(status, 0);
  const lines = stdout.split("\n");
  t.deepEqual(
    lines[0].split("|").map((name) => name.trim()),
    ["name", "head_lsn", "head_digest", "head_seq", "timeline_id", "bytes", "own_bytes", "parent"],
  );
  t.regex(
    lines[2],
    /^ main +\| 0\/[0-9A-F]+ +\| \\x[0-9a-f]{64} \| +5 \| \\x[0-9a-f]{32} \| +\d+ \| +\d+ \| *$/,
  );
  t.regex(lines[3], /^ other /);
  t.is(lines[4], "(2 rows)");
});

withPsql("psql shows one branch, and NULL where nothing is known", async (t) => {
  const { uri, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const { stdout } = await runPsql(psql as string, uri, "branch_show 'main';", "-x", "-P", "null=(null)");
  t.regex(stdout, /^system_identifier +\| 7$/m);
  t.regex(stdout, /^backup_start_lsn +\| 0\/1000028$/m);
  t.regex(stdout, /^imported_at +\| \(null\)$/m);
});

withPsql("psql gets SQLSTATE, message and hint of an error, and goes on", async (t) => {
  const { uri, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const more = ["-A", "-t", "-v", "VERBOSITY=verbose", "-c", "branch_shw main"];
  const { stdout, stderr } = await runPsql(psql as string, uri, "branch_list", ...more);
  t.regex(stderr, /^ERROR: {2}42883: there is no such command here$/m);
  t.regex(stderr, /^HINT: {2}Perhaps you meant "branch_show"\./m);
  t.regex(stdout, /^main\|/);
});

withPsql("what drivers send unasked is accepted, and an empty query is empty", async (t) => {
  const { uri, remove } = await temporaryServer();
  t.teardown(remove);
  for (const command of ["BEGIN", "COMMIT", "ROLLBACK", "SET client_encoding TO 'UTF8'"]) {
    const { status, stdout } = await runPsql(psql as string, uri, command);
    t.is(status, 0);
    t.is(stdout.trim(), command.split(" ")[0]);
  }
  t.deepEqual(await runPsql(psql as string, uri, ""), { status: 0, stdout: "", stderr: "" });
});

withPsql("psql lists the commands with their usage", async (t) => {
  const { uri, remove } = await temporaryServer();
  t.teardown(remove);
  const { stdout } = await runPsql(psql as string, uri, "command_list", "-A", "-t");
  t.deepEqual(stdout.trim().split("\n"), [
    "branch_list|branch_list [uri=…]",
    "branch_show|branch_show <branch>",
    "branch_push|branch_push <branch> <timeline_id> [force=…] [expected=…]",
    "branch_pull|branch_pull <branch> <timeline_id>",
    "branch_create|branch_create <name> <source> [lsn=…]",
    "branch_rename|branch_rename <name> <new_name>",
    "branch_delete|branch_delete <name>",
    "branch_log|branch_log <branch> [max_count=…]",
    "branch_verify|branch_verify [branch=…] [progress=…] [boot=…]",
    "collect_garbage|collect_garbage [all=…] [no_branches=…]",
    "user_add|user_add <name> <verifier>",
    "user_list|user_list",
    "user_remove|user_remove <name>",
    "perform_push|perform_push <branch> <uri> [destination_branch=…] [progress=…] [force=…] [expected=…] [dry_run=…] [bwlimit=…] [follow=…]",
    "perform_pull|perform_pull <branch> <uri> [source_branch=…] [progress=…] [force=…] [expected=…] [dry_run=…] [bwlimit=…]",
    "perform_import|perform_import <branch> <uri> [progress=…] [follow=…] [no_slot=…]",
    "perform_export|perform_export <branch> <directory> [keep_config=…] [progress=…]",
    "source_slot_list|source_slot_list",
    "source_slot_drop|source_slot_drop <name> [forget=…]",
    "origin_add|origin_add <name> <uri>",
    "origin_list|origin_list",
    "origin_remove|origin_remove <name>",
    "server_status|server_status",
    "command_list|command_list",
  ]);
});

test("calls give messages with all their types", async (t) => {
  const { connect: open, server, directory, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const connection = await open();
  const status = await call(connection, commands.serverStatus, {});
  t.is(status.version, VERSION);
  t.is(status.pid, process.pid);
  t.is(status.repository, directory);
  t.is(status.listen, server.listenAddress);
  t.is(status.branches, 1);
  t.true(Math.abs(Number(status.startedAt?.seconds) - Date.now() / 1000) < 60);
  const [listed] = await callStream(connection, commands.branchList, {});
  const shown = await call(connection, commands.branchShow, { branch: "main" });
  t.deepEqual(shown.head, listed.head);
  t.is(listed.head?.digest.length, 32);
  t.is(shown.frames, 6n);
  t.is(shown.serverVersionNum, 150018);
  t.is(shown.importedAt, undefined);
  await connection.close();
});

test("an unknown branch is 42704 in every command that takes one", async (t) => {
  const { connect: open, uri, remove } = await temporaryServer();
  t.teardown(remove);
  const connection = await open();
  for (const command of ["branch_show none", `perform_push none ${uri}`, "perform_export none /nowhere"]) {
    await t.throwsAsync(connection.query(command), { code: "undefined_object", message: /"none"/ });
  }
  await connection.close();
});

const REFUSED: [command: string, sqlstate: string][] = [
  ["branch_show", "42601"],
  ["branch_show a b", "42601"],
  ["branch_show branch=a nothing=b", "42601"],
  ["branch_show 'a", "42601"],
  ["branch_list; branch_list", "42601"],
  ["select 1", "42883"],
  ["branch_show a..b", "42602"],
  ["branch_push a..b 00", "42602"],
  ["branch_push main zz", "22023"],
  ["branch_push main 00", "22023"],
  [`branch_push main ${"00".repeat(17)}`, "22023"],
  ["branch_pull main ''", "22023"],
  ["perform_push main none", "42704"],
  ["perform_push main host:5432", "22023"],
  ["perform_push main postgresql://a@b@c/", "22023"],
  ["perform_push main none destination_branch=a..b", "42602"],
  ["perform_push main postgresql://127.0.0.1:1/", "08001"],
  ["perform_import main postgresql://127.0.0.1:1/", "08001"],
  ["perform_import new cloud", "22023"],
  ["perform_import new postgresql://127.0.0.1:1/ progress=perhaps", "22023"],
  ["perform_export main relative/path", "22023"],
  ["origin_add a/b postgresql://h/", "42602"],
  ["origin_add postgresql://u:p@h/ cloud", "42602"],
  ["origin_add cloud nowhere", "22023"],
  ["origin_add cloud postgresql://h/?foo=bar", "22023"],
  ["origin_add cloud postgresql://h/?service=s", "0A000"],
  ["perform_push main postgresql://127.0.0.1:1/?foo=bar", "22023"],
  ["perform_import new postgresql://127.0.0.1:1/?foo=bar", "22023"],
  ["origin_remove none", "42704"],
];

for (const [command, sqlstate] of REFUSED) {
  test(`"${command}" is refused with ${sqlstate}, and the connection goes on`, async (t) => {
    const { connect: open, remove } = await temporaryServer({ branches: ["main"] });
    t.teardown(remove);
    const connection = await open();
    await t.throwsAsync(connection.query(command), { message: /./ }).then((error) => {
      t.is((error as Error & { sqlstate: string }).sqlstate, sqlstate);
    });
    t.is((await callStream(connection, commands.branchList, {})).length, 1);
    await connection.close();
  });
}

test("an unknown origin's hint is the command that names it", async (t) => {
  const { connect: open, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const connection = await open();
  const error = await t.throwsAsync(connection.query("perform_push main cloud"), {
    code: "undefined_object",
  });
  t.regex((error as Error & { hint: string }).hint, /neon origin add cloud/);
  await connection.close();
});

test("origins are added, listed and removed, also many at once", async (t) => {
  const { connect: open, remove } = await temporaryServer();
  t.teardown(remove);
  const names = ["a", "b", "c", "d", "e"];
  const connections = await Promise.all(names.map(open));
  const add = (name: string, index: number) =>
    call(connections[index], commands.originAdd, { name, uri: `postgresql://u:pw@${name}/` });
  t.deepEqual(
    (await Promise.all(names.map(add))).map(({ name }) => name),
    names,
  );
  const [first] = connections;
  await t.throwsAsync(add("a", 0), { code: "duplicate_object" });
  const listed = await callStream(first, commands.originList, {});
  t.deepEqual(
    listed.map(({ name, uri }) => [name, uri]),
    names.map((name) => [name, `postgresql://u@${name}/`]),
  );
  await call(first, commands.originRemove, { name: "c" });
  t.deepEqual(
    (await callStream(first, commands.originList, {})).map(({ name }) => name),
    ["a", "b", "d", "e"],
  );
  for (const connection of connections) await connection.close();
});

test("a repository has one page server, which gives it back when it closes", async (t) => {
  const { server, directory, remove } = await temporaryServer();
  t.teardown(remove);
  await t.throwsAsync(PageServer.start({ directory, listen: false }), { code: "object_in_use" });
  await server.close();
  await t.throwsAsync(stat(socketPath(directory)), { code: "ENOENT" });
  const next = await PageServer.start({ directory, listen: false });
  t.is(next.listenAddress, undefined);
  await next.close();
});

test("a taken port is refused and the repository is free again", async (t) => {
  const one = await temporaryServer();
  t.teardown(one.remove);
  const two = await temporaryServer();
  t.teardown(two.remove);
  await two.server.close();
  const listen = one.server.listenAddress;
  await t.throwsAsync(PageServer.start({ directory: two.directory, listen }), { code: "object_in_use" });
  await (await PageServer.start({ directory: two.directory, listen: false })).close();
});

test("clients over TCP and the socket are served at once", async (t) => {
  const { connect: open, uri, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const connections = [await open(), await connect({ uri }), await connect({ uri })];
  // A push session that waits for its client holds nobody up.
  const waiting = await connections[1].copyBoth(PUSH);
  for (const connection of [connections[0], connections[2]]) {
    t.is((await callStream(connection, commands.branchList, {})).length, 1);
  }
  t.true(waiting.opened);
  for (const connection of connections) connection.destroy();
});

test("closing waits for the command that runs, aborting does not", async (t) => {
  const { server, connect: open, remove } = await temporaryServer();
  t.teardown(remove);
  const connection = await open();
  const session = await connection.copyBoth(PUSH);
  let closed = false;
  const closing = server.close().then(() => {
    closed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.false(closed);
  await server.abort();
  await closing;
  t.true(closed);
  await t.throwsAsync(session.finish());
  connection.destroy();
});

test("a client that leaves in the middle of a push leaves no branch behind", async (t) => {
  const { server, connect: open, directory, logged, remove } = await temporaryServer();
  t.teardown(remove);
  const connection = await open();
  await connection.copyBoth(PUSH);
  connection.destroy();
  await server.close();
  t.true(logged.some((line) => line.includes(`"command":"${PUSH}"`) && line.includes('"sqlstate":"08006"')));
  const next = await PageServer.start({ directory, listen: false });
  await next.close();
});

test("a holder that the lock does not show is found by its socket, and its store is left alone", async (t) => {
  const { server, directory, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  await server.close();
  const holder = await listen({ path: socketPath(directory), handler: { query: async () => {} } });
  await rm(storePath(directory), { recursive: true });
  await t.throwsAsync(PageServer.start({ directory, listen: false }), { code: "object_in_use" });
  await t.throwsAsync(stat(storePath(directory)), { code: "ENOENT" });
  await holder.destroy();
  await Store.create(storePath(directory));
  await (await PageServer.start({ directory, listen: false })).close();
});

test("a store that cannot be opened leaves no socket and no lock behind", async (t) => {
  const { server, directory, remove } = await temporaryServer();
  t.teardown(remove);
  await server.close();
  await rm(storePath(directory), { recursive: true });
  await writeFile(storePath(directory), "");
  await t.throwsAsync(PageServer.start({ directory, listen: false }), { name: "NeonError" });
  await t.throwsAsync(stat(socketPath(directory)), { code: "ENOENT" });
  await rm(storePath(directory));
  await Store.create(storePath(directory));
  await (await PageServer.start({ directory, listen: false })).close();
});
