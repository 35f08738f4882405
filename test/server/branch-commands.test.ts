import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { findTool } from "../../scripts/support/postgres.js";
import { call, callStream } from "../../src/server/call.js";
import { runPsql, temporaryServer } from "../support/temporary-server.js";

const { branchCreate, branchDelete, branchList, collectGarbage } = PageServerService.method;

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
