import { join } from "node:path";
import test from "ava";
import { PageServerService, type Progress } from "../../gen/neon/pageserver/v1/service_pb.js";
import { createPostgres } from "../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { call, callStream } from "../../src/server/call.js";
import { temporaryServer } from "../support/temporary-server.js";

const commands = PageServerService.method;

async function setUp(t: { teardown(work: () => Promise<void>): void }) {
  const postgres = await createPostgres({ major: 15, settings: { fsync: "off" } });
  t.teardown(() => postgres.remove());
  const server = await temporaryServer();
  t.teardown(server.remove);
  return { postgres, server };
}

test("import and export answer with what they did, report progress, and let others work meanwhile", async (t) => {
  const { postgres, server } = await setUp(t);
  const connection = await server.connect();
  const other = await server.connect();
  const steps: Progress[] = [];
  const onProgress = (progress: Progress) => steps.push(progress);
  const request = { branch: "main", uri: postgres.uri };
  const importing = call(connection, commands.performImport, request, { onProgress });
  t.deepEqual(await callStream(other, commands.branchList, {}), []);
  await t.throwsAsync(call(other, commands.performImport, request), { code: "object_in_use" });
  const imported = await importing;
  t.true(imported.sourceBytes > imported.bytes && imported.bytes > 0n);
  t.true(imported.frames > 1n && imported.seconds > 0);
  const phases = new Set(steps.map(({ phase }) => phase)).size;
  t.true(steps.length > 0 && steps.length <= phases + 5 * imported.seconds + 1, `${steps.length} notices`);
  t.is(imported.startLsn, undefined);
  await postgres.query("create table t as select generate_series(1, 1000) as a");
  const appended = await call(other, commands.performImport, request);
  t.is(appended.startLsn, imported.head?.lsn);
  t.true((appended.head?.lsn ?? 0n) > (imported.head?.lsn ?? 0n) && appended.frames > 0n);

  const home = await createTemporaryDirectory("neon-export-");
  t.teardown(() => home.remove());
  const directory = join(home.path, "data");
  const exported = await call(connection, commands.performExport, { branch: "main", directory });
  t.deepEqual(exported.head, appended.head);
  t.is(exported.postgresMajorVersion, 15);
  t.is(exported.directory, directory);
  t.true(exported.bytes > 0n);
  for (const open of [connection, other]) await open.close();
});

test("a cancelled import leaves no branch, no slot, and its name free", async (t) => {
  const { postgres, server } = await setUp(t);
  const connection = await server.connect();
  const request = { branch: "main", uri: postgres.uri };
  const abort = new AbortController();
  const options = { signal: abort.signal, onProgress: () => abort.abort() };
  await t.throwsAsync(call(connection, commands.performImport, request, options), { code: "query_canceled" });
  t.deepEqual(await callStream(connection, commands.branchList, {}), []);
  t.deepEqual(await postgres.query("select slot_name from pg_replication_slots"), []);
  t.is((await call(connection, commands.performImport, request)).branch, "main");
  await connection.close();
});

test("a cancelled import that follows is no error: it answers with what it did, and keeps it", async (t) => {
  const { postgres, server } = await setUp(t);
  const connection = await server.connect();
  const abort = new AbortController();
  const phases: string[] = [];
  const onProgress = ({ phase }: Progress) => {
    phases.push(phase);
    if (phase.startsWith("main at ")) abort.abort();
  };
  const request = { branch: "main", uri: postgres.uri, follow: true };
  const following = call(connection, commands.performImport, request, { onProgress, signal: abort.signal });
  const slots = "select slot_name from pg_replication_slots where not temporary";
  while ((await postgres.query(slots)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const writing = setInterval(() => void postgres.query("select txid_current()").catch(() => {}), 100);
  const { head, startLsn } = await following.finally(() => clearInterval(writing));
  t.is(startLsn, undefined);
  t.regex((await postgres.query(slots))[0]?.[0] ?? "", /^neon_main_[0-9a-f]{8}$/);
  const [branch] = await callStream(connection, commands.branchList, {});
  t.deepEqual(branch?.head, head);
  const again = await call(connection, commands.performImport, { branch: "main", uri: postgres.uri });
  t.is(again.startLsn, head?.lsn);
  await connection.close();
});

test("a push to a stock Postgres says that it is no page server", async (t) => {
  const { postgres, server } = await setUp(t);
  const connection = await server.connect();
  await call(connection, commands.performImport, { branch: "main", uri: postgres.uri });
  await t.throwsAsync(call(connection, commands.performPush, { branch: "main", uri: postgres.uri }), {
    code: "connection_exception",
    message: /not a page server/,
  });
  await connection.close();
});
