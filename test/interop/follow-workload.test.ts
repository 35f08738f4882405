import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "ava";
import { parseLsn } from "../../src/lsn.js";
import { importBranch } from "../../src/postgres/import/import-branch.js";
import { appendFixture, until } from "../postgres/import/append-fixture.js";
import { requireTool } from "./support/tools.js";

const DIGEST = `select md5(string_agg(x::text, ' ' order by x::text)) from (
  select aid, abalance from pgbench_accounts union all select tid, tbalance from pgbench_tellers
  union all select bid, bbalance from pgbench_branches union all select aid, delta from pgbench_history) x`;

test.serial(
  "a branch that followed pgbench has the rows of its source when that comes to rest",
  async (t) => {
    const pgbench = requireTool(t, "pgbench");
    if (pgbench === undefined) return;
    const { create, boot, store } = await appendFixture(t);
    const server = await create({ major: 15, settings: { synchronous_commit: "off" } });
    const run = async (...words: string[]) => {
      const common = ["-h", "127.0.0.1", "-p", String(server.port), "-U", "postgres"];
      const [status] = await once(
        spawn(pgbench, [...common, ...words, "postgres"], { stdio: "ignore" }),
        "close",
      );
      t.is(status, 0);
    };
    await run("-i", "-q");
    const work = run("-c", "4", "-T", "6");
    const controller = new AbortController();
    const heads: { at: number; lsn: bigint }[] = [];
    const unwatch = store.watch((name) => {
      heads.push({ at: Date.now(), lsn: store.requireBranch(name).head.lsn });
    });
    const following = importBranch({
      store,
      branch: "main",
      uri: server.uri,
      follow: true,
      slot: "neon_main_x",
      signal: controller.signal,
    });
    await work;
    const ended = Date.now();
    await server.query("set synchronous_commit = on; select pg_logical_emit_message(true, '', '')"); // flushes all before
    const [[lsn]] = (await server.query("select pg_current_wal_flush_lsn()")) as [[string]];
    while ((heads.at(-1)?.lsn ?? 0n) < parseLsn(lsn) - 40n)
      await new Promise((resolve) => setTimeout(resolve, 50));
    unwatch();
    const gaps = heads.slice(1).map(({ at }, i) => at - (heads[i]?.at ?? at));
    t.true(heads.filter(({ at }) => at < ended).length >= 3, `${heads.length} moves`);
    t.true(Math.max(...gaps.slice(0, -1)) < 10_000, gaps.join(" ")); // a second is the aim; this machine may be busy
    controller.abort();
    await following;
    await until(server, "not exists (select from pg_replication_slots where active)");
    const digest = await server.query(DIGEST);
    t.deepEqual(await (await boot("main")).query(DIGEST), digest);
  },
);
