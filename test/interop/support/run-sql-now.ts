import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import type { TestPostgres } from "../../../scripts/support/postgres.js";

const PROGRAM = `
const [pg, connectionString, ...statements] = process.argv.slice(1);
const client = new (require(pg).Client)({ connectionString });
client.connect()
  .then(async () => { for (const sql of statements) await client.query(sql); })
  .then(() => client.end(), (error) => { console.error(error); process.exit(1); });
`;

/**
 * Runs statements, each on its own, and blocks this process meanwhile. An import that runs here stands still: Postgres
 * fills the socket's buffers and waits, so that what the statements do happens while its base backup runs.
 */
export function runSqlNow(
  postgres: TestPostgres,
  statements: readonly string[],
  database = "postgres",
): void {
  const pg = createRequire(import.meta.url).resolve("pg");
  const { status, stderr } = spawnSync(
    process.execPath,
    ["-e", PROGRAM, pg, postgres.uri + database, ...statements],
    { encoding: "utf8", timeout: 120_000 },
  );
  if (status !== 0) throw new Error(stderr);
}
