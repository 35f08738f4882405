import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import {
  createPostgres,
  createStandby,
  POSTGRES_MAJORS,
  startPostgres,
} from "../../scripts/support/postgres.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";

for (const major of POSTGRES_MAJORS) {
  test(`Postgres ${major} keeps its rows over a crash, and a standby of it is promoted`, async (t) => {
    const postgres = await createPostgres({
      major,
      initdb: ["--wal-segsize=1"],
      settings: { work_mem: "7MB" },
    });
    t.teardown(() => postgres.remove());
    t.regex((await postgres.query("show server_version"))[0]?.[0] ?? "", new RegExp(`^${major}\\.`));
    t.deepEqual(await postgres.query("show work_mem"), [["7MB"]]);
    t.deepEqual(await postgres.query("show fsync"), [["on"]]);
    t.deepEqual(await postgres.query("show wal_segment_size"), [["1MB"]]);
    await postgres.query("create table t as select 1 as a, null as b");
    await postgres.stop("immediate");
    await postgres.restart();
    t.regex(await postgres.log(), /was not properly shut down/);
    t.deepEqual(await postgres.query("select * from t"), [["1", ""]]);

    const standby = await createStandby(postgres);
    t.teardown(() => standby.remove());
    t.deepEqual(await standby.query("select a, pg_is_in_recovery() from t"), [["1", "t"]]);
    await standby.promote();
    t.deepEqual(await standby.query("select pg_is_in_recovery()"), [["f"]]);
  });
}

test("a data directory below directories of ours is started where it is, and stays", async (t) => {
  const source = await createPostgres({ major: 18, settings: { fsync: "off" } });
  t.teardown(() => source.remove());
  await source.stop();
  const home = await createTemporaryDirectory();
  t.teardown(() => home.remove());
  await mkdir(join(home.path, "exported"), { mode: 0o700 });
  await chmod(home.path, 0o700);
  const dataDir = join(home.path, "exported", "data");
  await new Promise((resolve) => spawn("cp", ["-r", source.dataDir, dataDir]).once("exit", resolve));

  const started = await startPostgres(dataDir, 18);
  t.deepEqual(await started.query("select pg_is_in_recovery()"), [["f"]]);
  t.not(started.port, source.port);
  await started.remove();
  t.true(existsSync(join(dataDir, "PG_VERSION")));
  t.false(existsSync(started.socketDir));
});

test("a server that cannot start says why", async (t) => {
  const failure = await t.throwsAsync(createPostgres({ major: 18, settings: { max_connections: "many" } }));
  t.regex(failure?.message ?? "", /invalid value for parameter "max_connections"/);
});

test("nothing stays behind a process that was killed", async (t) => {
  const program = `
    const { createPostgres } = await import(${JSON.stringify(new URL("../../scripts/support/postgres.js", import.meta.url).href)});
    const postgres = await createPostgres({ major: 15, settings: { fsync: "off" } });
    process.stdout.write(JSON.stringify([postgres.pid, postgres.socketDir]));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [pid, directory] = JSON.parse(
    String(await new Promise((resolve) => child.stdout.once("data", resolve))),
  );
  t.true(existsSync(directory));
  child.kill("SIGKILL");
  const gone = () => !existsSync(directory) && !alive(pid);
  for (let waited = 0; waited < 10_000 && !gone(); waited += 100) await sleep(100);
  t.true(gone());
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
