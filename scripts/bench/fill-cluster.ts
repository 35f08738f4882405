import { findTool, type TestPostgres } from "../support/postgres.js";
import { runProgram } from "./run-program.js";

const BYTES_PER_SCALE = 15e6; // of pgbench, with its indexes
const BYTES_PER_LINE = 180; // of the log, with row and page headers

/**
 * Fills a cluster with about `bytes`: half pgbench's tables, half lines of a web server's log, which LZ4 compresses
 * about two to one. The same bytes every time.
 */
export async function fillCluster(postgres: TestPostgres, bytes: number): Promise<void> {
  await fillPgbench(postgres, Math.max(1, Math.round(bytes / 2 / BYTES_PER_SCALE)));
  await postgres.query(`
    create table log (line text);
    insert into log select
      to_char(timestamp '2024-01-01' + i * interval '7 seconds', 'YYYY-MM-DD HH24:MI:SS') || ' [' || i % 64 || '] '
      || (array['INFO', 'WARN', 'DEBUG'])[1 + i % 3] || ' request ' || md5(i::text) || ' GET /shop/article/'
      || (hashint4(i::int) & 65535) || ' from session ' || left(md5(i::text || 's'), 16) || ' answered in '
      || (hashint4(i::int) & 1023) || ' ms'
    from generate_series(1, ${Math.round(bytes / 2 / BYTES_PER_LINE)}) i`);
  await postgres.query("vacuum (freeze, analyze)");
  await postgres.query("checkpoint");
}

async function fillPgbench(postgres: TestPostgres, scale: number): Promise<void> {
  const pgbench = findTool("pgbench");
  if (pgbench !== undefined) {
    const target = ["-h", "127.0.0.1", "-p", String(postgres.port), "-U", "postgres", "postgres"];
    await runProgram(pgbench, ["-i", "-I", "dtGp", "-q", "-s", String(scale), ...target]);
    return;
  }
  // What `pgbench -i` makes, as far as its bytes count.
  await postgres.query(`
    create table pgbench_accounts (aid int not null, bid int, abalance int, filler char(84)) with (fillfactor = 100);
    insert into pgbench_accounts select i, 1 + i / 100000, 0, '' from generate_series(1, ${scale} * 100000) i;
    alter table pgbench_accounts add primary key (aid)`);
}
