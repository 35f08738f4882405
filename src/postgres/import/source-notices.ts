import type { Connection } from "../../pgwire/connection.js";
import { show } from "../replication/show.js";
import { meansStandby } from "../synchronous-standby-names.js";

/** What a server's settings mean for who follows it, told once as long as it does not change. */
export class SourceNotices {
  readonly #notice: (text: string) => void;
  readonly #told = new Map<string, string>();

  constructor(notice: (text: string) => void) {
    this.#notice = notice;
  }

  /** Asks what may make a synchronous standby of the connection, and how much WAL a slot may keep if there is to be one. */
  async ask(connection: Connection, slot: string | undefined): Promise<void> {
    const names = await show(connection, "synchronous_standby_names");
    const ours = await show(connection, "application_name");
    this.#tell("synchronous_standby_names", meansStandby(names, ours) ? synchronousStandby(names, ours) : "");
    if (slot === undefined) return;
    const limit = await show(connection, "max_slot_wal_keep_size");
    this.#tell("max_slot_wal_keep_size", limit === "-1" ? noLimit(slot) : "");
  }

  #tell(setting: string, text: string): void {
    if (text !== "" && this.#told.get(setting) !== text) this.#notice(text);
    this.#told.set(setting, text);
  }
}

function synchronousStandby(names: string, ours: string): string {
  return `synchronous_standby_names = '${names}' on that Postgres takes "${ours}" for a synchronous standby. This import is none: it reports no flush position while it streams, so that no commit waits for it or counts as safe by it. Other clients would become one: list your standbys there by their application_name`;
}

function noLimit(slot: string): string {
  return `max_slot_wal_keep_size = -1 on that Postgres: while nobody follows, the replication slot ${slot} keeps its WAL until the disk there is full. ALTER SYSTEM SET max_slot_wal_keep_size = '64GB'; SELECT pg_reload_conf(); sets a limit, and neon slot list shows what the slot keeps`;
}
