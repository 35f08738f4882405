import { cleanText } from "../../clean-text.js";
import type { Lsn } from "../../lsn.js";
import { parseUri } from "../../pgwire/connection-uri.js";
import { type AppendOptions, appendWal } from "./append-wal.js";
import { namePostgres } from "./explain-error.js";
import { type ImportResult, importCluster } from "./import-cluster.js";
import { prepareFollowing } from "./prepare-following.js";
import { SourceNotices } from "./source-notices.js";
import { tellOnce } from "./warning-text.js";

/** What an import has made or appended. */
export interface ImportBranchResult extends ImportResult {
  /** Where the branch ended before; undefined if it was created. */
  readonly startLsn: Lsn | undefined;
  /** The permanent slot that following leaves on the server. */
  readonly slot?: string | undefined;
}

/**
 * Makes a branch of a running Postgres, or appends to one that exists what that has written since; see both. Errors that
 * came from that Postgres name it.
 */
export async function importBranch(given: AppendOptions): Promise<ImportBranchResult> {
  // A server that is asked over several connections warns on each.
  const options = { ...given, onNotice: tellOnce(given.onNotice) };
  try {
    return await importOrAppend(options);
  } catch (error) {
    throw options.signal?.aborted ? error : namePostgres(error, options.uri);
  }
}

async function importOrAppend(options: AppendOptions): Promise<ImportBranchResult> {
  const tell = options.onNotice ?? (() => {});
  const existing = options.store.getBranch(options.branch);
  const notices = new SourceNotices(tell);
  if (existing !== undefined) {
    return { ...(await appendWal(options, { notices, proved: false })), startLsn: existing.head.lsn };
  }
  const database = uselessDatabase(options.uri);
  if (database !== undefined)
    tell(`an import takes the whole cluster: the database "${database}" that the URI names chooses nothing`);
  if (!options.follow) return { ...(await importCluster(options)), startLsn: undefined };
  const slot = await prepareFollowing(options, notices);
  const created = await importCluster(options).catch(async (error) => {
    await slot?.forget();
    throw error;
  });
  const appended = await appendWal(options, { notices, slot: slot?.slot, proved: true });
  return {
    branch: appended.branch,
    frames: created.frames + appended.frames,
    bytes: created.bytes + appended.bytes,
    sourceBytes: created.sourceBytes + appended.sourceBytes,
    startLsn: undefined,
    slot: appended.slot,
  };
}

/** Databases that a URI names because it has to name one. */
const NAMES_NOTHING = new Set(["", "postgres", "template1", "replication"]);

/** The database that a connection URI names, as if it alone were to be imported. */
function uselessDatabase(uri: string): string | undefined {
  const { url, database } = parseUri(uri);
  const named = database ?? decodeURIComponent(url.pathname.slice(1));
  return NAMES_NOTHING.has(named) ? undefined : cleanText(named);
}
