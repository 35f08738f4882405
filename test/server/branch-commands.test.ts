import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { findTool } from "../../scripts/support/postgres.js";
import { call, callStream } from "../../src/server/call.js";
import { hungPostgres } from "../cli/support/neon.js";
import { runPsql, temporaryServer } from "../support/temporary-server.js";

const commands = PageServerService.method;
const { branchCreate, branchDelete, branchList, collectGarbage } = commands;

const psql = findTool("psql");
const withPsql = psql === undefined ? test.skip : test;

withPsql("the commands around branches print readable rows in psql", async (t) => {
  const { uri, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const run = async (command: string) => (await runPsql(psql as string, uri, command, "-A", "-t")).stdout;
  t.regex(await run("branch_create dev main"), /^dev\|0\/[0-9A-F]+\|\\x[0-9a-f]{64}\|5\n$/);
  t.is(await run("branch_rename dev feature"), "feature\n");
  t.regex(await run("branch_list"), /^feature\|.*\|0\|main\nmain\|.*\|\n$/);
  t.regex(await run("branch_delete feature"), /^feature\|0\/[0-9A-F]+\|/);
  t.is(await run("collect_garbage"), "0|0\n");
  // The small chain of this test has no base backup.
  t.regex(await run("branch_verify branch=main"), /^main\|f\|/);
});

test("deleting and collecting say how much, and a page server lists another one's branches", async (t) => {
  const there = await temporaryServer({ branches: ["main", "other"] });
  t.teardown(there.remove);
  const here = await temporaryServer();
  t.teardown(here.remove);
  const far = await there.connect();
  const near = await here.connect();
  await call(far, branchCreate, { name: "dev", source: "main" });
  const rows = await callStream(far, branchList, {});
  t.deepEqual(await callStream(near, branchList, { uri: there.uri }), rows);
  t.deepEqual(await callStream(near, branchList, {}), []);
  await t.throwsAsync(callStream(near, branchList, { uri: "nowhere" }), { code: "undefined_object" });
  await call(far, branchDelete, { name: "main" });
  t.like(await call(far, collectGarbage, {}), { segments: 0n, bytes: 0n });
  await call(far, branchDelete, { name: "dev" });
  t.like(await call(far, collectGarbage, {}), { segments: 1n, bytes: rows[0].bytes });
  await near.close();
  await far.close();
});

test("the name of a branch that is being imported is taken, for whoever else wants to make it", async (t) => {
  const here = await temporaryServer({ branches: ["second"] });
  t.teardown(here.remove);
  const there = await temporaryServer({ branches: ["main"] });
  t.teardown(there.remove);
  const [importer, other, far] = [await here.connect(), await here.connect(), await there.connect()];
  const { uri, connected } = await hungPostgres(t);
  const abort = new AbortController();
  const importing = call(importer, commands.performImport, { branch: "main", uri }, { signal: abort.signal });
  importing.catch(() => {});
  await connected;
  const taken = { code: "object_in_use" as const, message: /branch "main" is being imported/ };
  await t.throwsAsync(call(far, commands.performPush, { branch: "main", uri: here.uri }), taken);
  await t.throwsAsync(call(other, commands.performPull, { branch: "main", uri: there.uri }), taken);
  await t.throwsAsync(call(other, branchCreate, { name: "main", source: "second" }), taken);
  await t.throwsAsync(call(other, commands.branchRename, { name: "second", newName: "main" }), taken);
  await t.throwsAsync(call(other, commands.performImport, { branch: "main", uri }), taken);
  abort.abort();
  await t.throwsAsync(importing, { code: "query_canceled" });
  await call(other, branchCreate, { name: "main", source: "second" });
  for (const connection of [importer, other, far]) await connection.close();
});
