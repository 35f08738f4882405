import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestPostgres } from "../../../scripts/support/postgres.js";
import { until } from "../../postgres/import/append-fixture.js";

/**
 * Has a standby that was stopped before replay up to an LSN, the end of a record, and stay there. The stop is before the
 * first record that begins at or after the LSN: `inclusive` would replay that one too. The primary therefore must have
 * written more.
 */
export async function standbyAt(standby: TestPostgres, lsn: string): Promise<string[][]> {
  const target = { lsn: `'${lsn}'`, inclusive: "off", action: "pause", timeline: "'latest'" };
  const lines = Object.entries(target).map(([name, value]) => `recovery_target_${name} = ${value}\n`);
  await appendFile(join(standby.dataDir, "postgresql.auto.conf"), lines.join(""));
  await standby.restart();
  await until(standby, "pg_get_wal_replay_pause_state() = 'paused'");
  return standby.query("select pg_last_wal_replay_lsn()");
}
