import test, { type ExecutionContext } from "ava";
import {
  createPostgres,
  POSTGRES_MAJORS,
  type PostgresMajor,
  type TestPostgres,
} from "../../scripts/support/postgres.js";
import { neon, spawnNeon, temporaryRepository } from "../cli/support/neon.js";
import { until } from "../postgres/import/append-fixture.js";

/** A repository whose page server runs: commands that come and go do not take it from each other. */
async function repository(t: ExecutionContext): Promise<string> {
  const here = await temporaryRepository(t);
  const { status, stderr } = await neon(here, "start");
  if (status !== 0) throw new Error(stderr);
  return here;
}

async function source(t: ExecutionContext, major: PostgresMajor = 15): Promise<TestPostgres> {
  const settings = { fsync: "off", autovacuum: "off", max_wal_size: "32MB", min_wal_size: "32MB" };
  const server = await createPostgres({ major, settings });
  t.teardown(() => server.remove());
  return server;
}

/** Follows a server onto a branch until it is there, and stops. Gives what was printed. */
async function follow(here: string, branch: string, server: TestPostgres) {
  const { child, outcome } = spawnNeon(here, "import", branch, server.uri, "--follow");
  let ended = false;
  void outcome.then(() => {
    ended = true;
  });
  while (!ended) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    if ((await neon(here, "branch", "show", branch)).status !== 0) continue;
    const active = "select from pg_replication_slots where active and not temporary";
    if ((await server.query(active)).length > 0) break;
  }
  child.kill("SIGINT");
  const result = await outcome;
  await until(server, "not exists (select from pg_replication_slots where active)");
  return result;
}

async function slotsOf(server: TestPostgres): Promise<string[]> {
  return (await server.query("select slot_name from pg_replication_slots")).flat();
}

interface ListedSlot {
  readonly name: string;
  readonly branch: string;
  readonly state: string;
  readonly kept_bytes: number | null;
  readonly reason: string | null;
}

async function listed(here: string): Promise<ListedSlot[]> {
  return JSON.parse((await neon(here, "slot", "list", "--json")).stdout);
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: a slot that following leaves is listed with what it keeps, and goes with its branch`, async (t) => {
    const [here, server] = [await repository(t), await source(t, major)];
    const { status, stderr } = await follow(here, "main", server);
    t.is(status, 0, stderr);
    t.regex(
      stderr,
      /max_slot_wal_keep_size = -1 on that Postgres: .*ALTER SYSTEM SET max_slot_wal_keep_size/,
    );
    const [name] = await slotsOf(server);
    await server.query(
      "select pg_logical_emit_message(false, '', repeat('x', 20000000)); select pg_switch_wal()",
    );
    const lag = "select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn) from pg_replication_slots";
    const [[atLeast]] = (await server.query(lag)) as [[string]];
    const slots = await listed(here);
    t.deepEqual(
      slots.map(({ name, branch, state, reason }) => ({ name, branch, state, reason })),
      [{ name, branch: "main", state: "idle", reason: null }],
    );
    const [[atMost]] = (await server.query(lag)) as [[string]];
    const kept = slots[0]?.kept_bytes ?? 0;
    t.true(kept >= Number(atLeast) && kept <= Number(atMost), `${atLeast} <= ${kept} <= ${atMost}`);
    const deleted = await neon(here, "branch", "delete", "main");
    t.true(deleted.stdout.includes(`Dropped the replication slot ${name}`), deleted.stdout + deleted.stderr);
    t.deepEqual(await slotsOf(server), []);
    t.deepEqual(await listed(here), []);
  });
}

test("a slot whose server is away is named with its statement when the branch goes, and is not forgotten", async (t) => {
  const [here, server] = [await repository(t), await source(t)];
  await follow(here, "main", server);
  const [name] = await slotsOf(server);
  const statement = `SELECT pg_drop_replication_slot('${name}');`;
  await server.stop();
  const deleted = await neon(here, "branch", "delete", "main");
  t.is(deleted.status, 0);
  t.true(deleted.stdout.includes(statement), deleted.stdout);
  t.regex(
    deleted.stdout,
    new RegExp(`${name} stays on .*127\\.0\\.0\\.1:${server.port}.*Connection refused`),
  );
  const [slot] = await listed(here);
  t.like(slot, { name, branch: "main", state: "unknown", kept_bytes: null });
  t.regex(slot?.reason ?? "", /Connection refused/);
  const described = await neon(here, "status");
  t.is(described.status, 0);
  t.regex(described.stdout, new RegExp(`${name} +main +\\S+${server.port}/ +- +cannot be asked: .*refused`));
  t.is(JSON.parse((await neon(here, "status", "--json")).stdout).slots[0].name, name);
  const refused = await neon(here, "slot", "drop", String(name));
  t.is(refused.status, 1);
  t.true(refused.stderr.includes(statement) && refused.stderr.includes("--forget"), refused.stderr);
  t.is((await listed(here)).length, 1);
  await server.restart();
  t.regex((await neon(here, "slot", "drop", String(name))).stdout, new RegExp(`Dropped ${name}`));
  t.deepEqual(await slotsOf(server), []);
  t.deepEqual(await listed(here), []);
  t.is((await neon(here, "slot", "drop", String(name))).status, 1);
});

test("what was dropped at the server is said to be gone, what another cluster answers is left alone", async (t) => {
  const [here, server] = [await repository(t), await source(t)];
  await follow(here, "main", server);
  const [name] = (await slotsOf(server)) as [string];
  await server.query(`select pg_drop_replication_slot('${name}')`);
  t.is((await listed(here))[0]?.state, "gone");
  t.regex((await neon(here, "slot", "drop", name)).stdout, /no .* off the list/);
  await follow(here, "main", server);
  const [again] = (await slotsOf(server)) as [string];
  t.is((await neon(here, "slot", "drop", again, "--forget")).status, 0);
  t.deepEqual(await slotsOf(server), [again], "forgotten only");
  t.deepEqual(await listed(here), []);
  // What is on no list can be somebody else's, however it is called.
  const third = await follow(here, "main", server);
  t.regex(third.stderr, new RegExp(`${again} .*already.*pg_drop_replication_slot\\('${again}'\\)`));
  t.deepEqual((await slotsOf(server)).sort(), [again, `${again}_2`].sort());
});

test("a branch takes its slot along to its new name, and another one of the old name gets its own", async (t) => {
  const [here, server] = [await repository(t), await source(t)];
  await follow(here, "main", server);
  const [name] = (await slotsOf(server)) as [string];
  await neon(here, "branch", "rename", "main", "prod");
  await follow(here, "prod", server);
  t.deepEqual(await slotsOf(server), [name]);
  await follow(here, "main", server);
  t.is((await slotsOf(server)).length, 2);
  const slots = await listed(here);
  t.deepEqual(slots.map(({ branch }) => branch).sort(), ["main", "prod"]);
  t.is(slots.find(({ branch }) => branch === "prod")?.name, name);
  await neon(here, "branch", "delete", "main");
  t.deepEqual(await slotsOf(server), [name]);
});

test("a branch that is followed can go: its slot is named, and can be dropped when the following has ended", async (t) => {
  const [here, server] = [await repository(t), await source(t)];
  const { child, outcome } = spawnNeon(here, "import", "main", server.uri, "--follow");
  t.teardown(() => child.kill("SIGKILL"));
  while ((await neon(here, "branch", "show", "main")).status !== 0);
  await until(server, "exists (select from pg_replication_slots where active and not temporary)");
  const [name] = (await slotsOf(server)).filter((slot) => slot.startsWith("neon_main")) as [string];
  t.is((await listed(here))[0]?.state, "in_use");
  const busy = await neon(here, "slot", "drop", name);
  t.is(busy.status, 1, busy.stdout);
  const deleted = await neon(here, "branch", "delete", "main");
  t.regex(deleted.stdout, new RegExp(`${name} stays .*follows.*pg_drop_replication_slot\\('${name}'\\);`));
  await server.query("select pg_logical_emit_message(true, '', '')");
  const followed = await outcome;
  t.is(followed.status, 1);
  t.regex(followed.stderr, new RegExp(`pg_drop_replication_slot\\('${name}'\\)`));
  await until(server, "not exists (select from pg_replication_slots where active)");
  t.is((await neon(here, "slot", "drop", name)).status, 0);
  t.deepEqual(await slotsOf(server), []);
});

test("a server that hangs holds up neither status nor a branch's end", async (t) => {
  const [here, server] = [await repository(t), await source(t)];
  await follow(here, "main", server);
  t.teardown(() => process.kill(server.pid, "SIGCONT"));
  process.kill(server.pid, "SIGSTOP");
  t.is((await listed(here))[0]?.reason, "no answer within 3 s");
  const deleted = await neon(here, "branch", "delete", "main");
  t.is(deleted.status, 0);
  t.regex(deleted.stdout, /no answer within 5 s.*pg_drop_replication_slot/);
  process.kill(server.pid, "SIGCONT");
});
