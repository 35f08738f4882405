import { randomBytes } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { NeonError } from "../../errors.js";
import { BLOCK_SIZE } from "../../limits.js";
import { formatLsn } from "../../lsn.js";
import type { ChainWriter } from "../../timeline/chain-writer.js";
import type { Head } from "../../timeline/head.js";
import type { Branch, Store } from "../../timeline/store.js";
import { type ControlFile, parsePgControl } from "../control-file.js";
import { type BadPage, PageVerifier } from "../pages/page-verifier.js";
import { findRestoredPages } from "../pages/restored-pages.js";
import { type BackupPosition, type BaseBackupEvent, baseBackup } from "../replication/base-backup.js";
import { timelineHistory } from "../replication/timeline-history.js";
import { Recoverability } from "../wal/recoverability.js";
import { BackupArchive } from "./backup-archive.js";
import { BackupContents } from "./backup-contents.js";
import { BaseRecorder } from "./base-recorder.js";
import { createImported, takenMeanwhile } from "./create-imported.js";
import { explainError } from "./explain-error.js";
import { ImportChain } from "./import-chain.js";
import { ImportSource, type ServerFacts } from "./import-source.js";
import { SourceWarnings } from "./source-warnings.js";
import { WalReceiver } from "./wal-receiver.js";
import { WalRecorder } from "./wal-recorder.js";

/** Bytes between two reports of progress. */
const PROGRESS_BYTES = 1024 * 1024;

/** How far an import has come. */
export interface ImportProgress {
  readonly phase: string;
  readonly bytes: number;
  readonly totalBytes?: number;
}

/** What an import works with. */
export interface ImportOptions {
  readonly store: Store;
  /** Name of the branch to create. */
  readonly branch: string;
  /** Connection URI of the Postgres, for a role with the REPLICATION attribute. */
  readonly uri: string;
  /** Aborting ends the import with 57014; nothing is kept. */
  readonly signal?: AbortSignal | undefined;
  onProgress?(progress: ImportProgress): void;
  /** Is told what the server warns of, and other things that are no error, in words for the user. */
  onNotice?(text: string): void;
  readonly log?: { info(details: object, text: string): void } | undefined;
}

/** What an import has made. */
export interface ImportResult {
  readonly branch: Branch;
  readonly frames: number;
  /** Bytes of the frames at rest. */
  readonly bytes: number;
  /** Bytes that came from Postgres: base backup and WAL. */
  readonly sourceBytes: number;
}

/**
 * Makes a branch of a running stock Postgres: its base backup, and the WAL from the start of the segment that holds the
 * backup's start up to the backup's end or a little more. Both are taken at the same time, on two connections, into one
 * chain. The branch appears when it is complete and durable; a failure leaves nothing, here or on the server.
 *
 * Throws 42710 for a name that is taken; one that was taken meanwhile leaves the import a name of its own. Throws 0A000 for a server that is not supported, 57014 after an abort, and what the
 * server refuses, with a hint.
 */
export async function importCluster(options: ImportOptions): Promise<ImportResult> {
  const { store, branch, uri, signal } = options;
  store.assertBranchNameIsFree(branch);
  const warnings = new SourceWarnings((text) => options.onNotice?.(text));
  let source: ImportSource | undefined;
  let writer: ChainWriter | undefined;
  try {
    source = await ImportSource.open(uri, signal, warnings.take);
    writer = await store.beginChain();
    const sourceBytes = await recordCluster(source, writer, warnings, options);
    await source.close();
    await writer.flush();
    signal?.throwIfAborted();
    const created = await createImported(store, branch, writer);
    writer = undefined;
    if (created.name !== branch) throw takenMeanwhile(branch, created);
    return { branch: created, frames: created.frames, bytes: created.bytes, sourceBytes };
  } catch (error) {
    source?.destroy();
    // A failure to clean up would hide the reason; the store deletes leftovers when it is opened.
    await writer?.abort().catch(() => undefined);
    throw signal?.aborted === true ? cancelled(signal.reason) : warnings.explain(explainError(error));
  }
}

/** Takes everything. Returns the bytes that came from the server. */
async function recordCluster(
  source: ImportSource,
  writer: ChainWriter,
  warnings: SourceWarnings,
  options: ImportOptions,
): Promise<number> {
  const { facts, walConnection: connection, baseConnection, slot } = source;
  const startedAt = new Date();
  const events = baseBackup(baseConnection, { label: "neon import", majorVersion: facts.majorVersion });
  const start = await nextEvent(events, "start");
  warnings.expectTablespaces(start.tablespaces);
  const segmentSize = BigInt(facts.walSegmentSize);
  const walStartLsn = start.position.lsn - (start.position.lsn % segmentSize);
  options.log?.info(
    { branch: options.branch, start: formatLsn(start.position.lsn), walStart: formatLsn(walStartLsn) },
    "import: base backup begins",
  );

  const chain = new ImportChain(writer, walStartLsn);
  const { walSegmentSize, systemIdentifier } = facts;
  const { timelineId } = start.position;
  const judge = new Recoverability({ lsn: start.position.lsn, timelineId, walSegmentSize });
  const wal = new WalRecorder(chain, { startLsn: walStartLsn, walSegmentSize, systemIdentifier }, judge);
  await chain.start({
    importId: randomBytes(16),
    systemIdentifier,
    serverVersionNum: facts.versionNum,
    postgresTimelineId: timelineId,
    backupStartLsn: start.position.lsn,
    walStartLsn,
    blockSize: BLOCK_SIZE,
    walSegmentSize,
    tablespaces: start.tablespaces.map(({ oid, location }) => ({ oid, location })),
    startedAt: timestampFromDate(startedAt),
    groupAccess: facts.groupAccess,
  });
  if (timelineId > 1) {
    const content = await timelineHistory(connection, timelineId);
    await wal.mark({
      record: { case: "timelineHistory", value: { postgresTimelineId: timelineId, content } },
    });
  }

  const receiver = new WalReceiver({ connection, slot, recorder: wal });
  // The server itself has checked the checksums of pages that are older than the backup.
  const pages = new PageVerifier(start.position.lsn);
  const base = new BaseRecorder(chain, facts.relationSegmentBlocks, (images) =>
    pages.takePages(0, images, wal.receivedLsn),
  );
  const report = (bytes: number) =>
    options.onProgress?.({ phase: "base backup", bytes, totalBytes: Math.max(bytes, start.totalBytes) });
  // Whoever cancels from here on is told that nothing of the branch is kept.
  report(0);
  const takeBase = async () => {
    const contents = new BackupContents(facts.majorVersion, (text) => options.onNotice?.(text));
    const taken = await recordBase(events, { recorder: base, contents, warnings, onBytes: report });
    receiver.stopAt(taken.stop.lsn);
    return taken;
  };
  const [{ stop, bytes }] = await allOrNone([takeBase(), receiver.run(timelineId)], () => source.destroy());
  const { dataChecksumVersion } = assertControlFile(base.controlFile, facts);
  await wal.mark({
    record: {
      case: "consistentPoint",
      value: { backupStopLsn: stop.lsn, postgresTimelineId: stop.timelineId },
    },
  });
  const { bad } = await pages.result(dataChecksumVersion !== 0, stop.lsn, async (keys) => {
    await writer.flush();
    const { seq, lsn } = writer.head as Head;
    const reader = options.store.readerAt({ timelineId: writer.appender.timelineId, seq, lsn });
    const backup = { backupStartLsn: start.position.lsn, backupStopLsn: stop.lsn };
    return findRestoredPages({ reader, walStartLsn, walSegmentSize, ...backup }, keys);
  });
  if (bad !== undefined) throw damagedPage(bad);
  const walBytes = Number(wal.storedLsn - walStartLsn);
  options.log?.info(
    { branch: options.branch, stop: formatLsn(stop.lsn), walEnd: formatLsn(wal.storedLsn) },
    "import: base backup and WAL are complete",
  );
  return bytes + walBytes;
}

/** What becomes of a base backup as it comes. */
interface BaseListeners {
  readonly recorder: BaseRecorder;
  readonly contents: BackupContents;
  readonly warnings: SourceWarnings;
  onBytes(bytes: number): void;
}

/** Takes the archives of a base backup. Returns where it ended, and its bytes. */
async function recordBase(
  events: AsyncIterable<BaseBackupEvent>,
  { recorder, contents, warnings, onBytes }: BaseListeners,
): Promise<{ stop: BackupPosition; bytes: number }> {
  let archive: BackupArchive | undefined;
  let bytes = 0;
  let reported = 0;
  for await (const event of events) {
    warnings.assertComplete();
    if (event.type === "data") {
      if (archive === undefined) throw incomplete("data before the first archive");
      bytes += event.data.length;
      await archive.write(event.data);
      if (bytes - reported >= PROGRESS_BYTES) {
        reported = bytes;
        onBytes(bytes);
      }
    } else if (event.type === "archive") {
      await archive?.finish();
      const directory = event.tablespace === undefined ? "" : `pg_tblspc/${event.tablespace.oid}`;
      if (contents.takes(directory, "directory")) await recorder.directory(directory);
      archive = new BackupArchive(recorder, contents, directory);
    } else if (event.type === "stop") {
      await archive?.finish();
      contents.assertComplete();
      await recorder.flush();
      onBytes(bytes);
      return { stop: event.position, bytes };
    }
  }
  throw incomplete("no end");
}

async function nextEvent<Type extends BaseBackupEvent["type"]>(
  events: AsyncIterator<BaseBackupEvent>,
  type: Type,
): Promise<BaseBackupEvent & { type: Type }> {
  const { value } = await events.next();
  if (value?.type !== type) throw incomplete(`no ${type}`);
  return value;
}

/** Waits for both. When one fails the other is stopped, and the first failure is thrown once both have ended. */
async function allOrNone<A, B>(jobs: [Promise<A>, Promise<B>], stop: () => void): Promise<[A, B]> {
  try {
    return await Promise.all(jobs);
  } catch (error) {
    stop();
    await Promise.allSettled(jobs);
    throw error;
  }
}

/** pg_control comes last and must fit what the server said before. */
function assertControlFile(file: Buffer, facts: ServerFacts): ControlFile {
  const control = parsePgControl(file);
  const fits =
    control.systemIdentifier === facts.systemIdentifier &&
    control.blockSize === BLOCK_SIZE &&
    control.walBlockSize === BLOCK_SIZE &&
    control.walSegmentSize === facts.walSegmentSize &&
    control.relationSegmentBlocks === facts.relationSegmentBlocks;
  if (!fits) {
    throw new NeonError(
      "data_corrupted",
      "the base backup's pg_control is not that of the server it came from",
      {
        party: "source",
      },
    );
  }
  return control;
}

function damagedPage({ text, name }: BadPage): NeonError {
  const { tablespaceOid, databaseOid, relationNumber } = name;
  return new NeonError("data_corrupted", `the data of the server are damaged: ${text}`, {
    party: "source",
    hint: `Which relation it is, pg_filenode_relation(${tablespaceOid}, ${relationNumber}) says in the database with OID ${databaseOid} there; pg_checksums --check and pg_amcheck find more. Restore it from a good backup, and import again. Nothing was kept.`,
  });
}

function incomplete(what: string): NeonError {
  return new NeonError("protocol_violation", `the base backup has ${what}`, { party: "source" });
}

function cancelled(reason: unknown): NeonError {
  if (reason instanceof NeonError) return reason;
  return new NeonError("query_canceled", "the import was cancelled; nothing was kept", { cause: reason });
}
