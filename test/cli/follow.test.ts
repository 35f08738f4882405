import test from "ava";
import { createPostgres } from "../../scripts/support/postgres.js";
import { neon, served, spawnNeon, temporaryRepository } from "./support/neon.js";

for (const slot of [true, false]) {
  const title = slot ? "a slot of the branch's name stays" : "--no-slot makes none";
  test(`import --follow goes on until Ctrl-C, which is its normal end; ${title}`, async (t) => {
    const postgres = await createPostgres({ major: 15, settings: { fsync: "off" } });
    t.teardown(() => postgres.remove());
    const here = await temporaryRepository(t);
    const words = ["import", "main", postgres.uri, "--follow", ...(slot ? [] : ["--no-slot"])];
    const { child, outcome } = spawnNeon(here, ...words);
    await served(here);
    const head = async () => {
      const { stdout } = await neon(here, "branch", "list", "--json");
      return String(JSON.parse(stdout || "[]")[0]?.head?.lsn ?? "");
    };
    const until = async (done: () => Promise<boolean>) => {
      for (let i = 0; !(await done()); i++) {
        if (i > 200) throw new Error("nothing happened");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await until(async () => (await head()) !== "");
    const imported = await head();
    await postgres.query("create table t as select generate_series(1, 1000) as a");
    await until(async () => (await head()) !== imported);
    child.kill("SIGINT");
    const { status, stdout, stderr } = await outcome;
    t.is(status, 0, stderr);
    t.regex(stdout, /^Imported main at 0\/[0-9A-F]+: /);
    t.is(/at ([0-9A-F/]+):/.exec(stdout)?.[1], await head());
    const slots = await postgres.query("select slot_name from pg_replication_slots");
    t.is(slots.length, slot ? 1 : 0);
    const drop = /SELECT pg_drop_replication_slot\('neon_main_[0-9a-f]{8}'\);/.exec(stdout)?.[0];
    t.is(drop !== undefined, slot, stdout);
    if (drop !== undefined) {
      const json = spawnNeon(here, ...words, "--json");
      await served(here);
      const before = await head();
      await postgres.query("insert into t values (1001)");
      await until(async () => (await head()) !== before);
      json.child.kill("SIGINT");
      t.is(JSON.parse((await json.outcome).stdout).slot, slots[0]?.[0]);
      const free = "select slot_name from pg_replication_slots where not active";
      await until(async () => (await postgres.query(free)).length === 1);
      await postgres.query(drop);
      t.deepEqual(await postgres.query("select slot_name from pg_replication_slots"), []);
    }
    t.regex((await neon(here, "import", "main", postgres.uri)).stdout, /^(Appended to|Up to date: )/);
  });
}

test("--no-slot without --follow is a wrong command line", async (t) => {
  const here = await temporaryRepository(t);
  const { status, stderr } = await neon(here, "import", "main", "postgresql://127.0.0.1:1/", "--no-slot");
  t.is(status, 2);
  t.regex(stderr, /--follow/);
});
