import { equals } from "@bufbuild/protobuf";
import {
  type PageImages,
  type Record,
  type StartRecord,
  StartRecordSchema,
} from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { BLOCK_SIZE } from "../../limits.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import { assertStartRecord } from "../../timeline/frame/start-record.js";
import { parseBackupLabel } from "../backup-label.js";
import { bytePath, quotePath } from "../byte-path.js";
import { type ControlFile, parsePgControl } from "../control-file.js";
import { isExportedPath } from "../judge-path.js";
import { Recoverability, UnrecoverableWalError } from "../wal/recoverability.js";
import { ClusterNames } from "./cluster-names.js";
import { relationPath } from "./relation-path.js";
import { requiredDirectories } from "./required-directories.js";
import { switchPoint } from "./timeline-history.js";

const FIRST_MAJOR_VERSION = 14;
const LAST_MAJOR_VERSION = 18;

/** Pages in each file of a fork but the last: 1 GB. Postgres built otherwise is refused. */
export const RELATION_SEGMENT_BLOCKS = 131072;
const TABLESPACE_DIRECTORY = /^pg_tblspc\/(\d+)(?:\/(PG_[^/]+))?/;

/** Files that recovery begins with, and the most bytes that are taken of each. */
const NEEDED = ["PG_VERSION", "backup_label", "global/pg_control"] as const;
const MAX_NEEDED_BYTES = 64 * 1024;

/** Files that export writes, or that Postgres makes at its start. */
const WRITTEN = [
  "pg_hba.conf",
  "pg_ident.conf",
  "postgresql.auto.conf",
  "postgresql.conf",
  "postmaster.opts",
  "postmaster.pid",
  "recovery.signal",
];

/**
 * Judges the records of a branch, in order: whether they make a data directory that a stock Postgres recovers. What
 * export refuses, it refuses by this, and what verify calls good, it calls good by this. The bytes of pages are judged
 * elsewhere, and so is whether the WAL goes on without a gap.
 */
export class ClusterChecker {
  /** Major version of the Postgres that starts on the directory. */
  readonly majorVersion: number;
  readonly #start: StartRecord;
  #judge: Recoverability;
  #tablespaces = new Map<number, string>();
  #names: ClusterNames;
  #needed = new Map<string, Buffer>();
  #histories = new Map<number, Uint8Array>();
  #walTimelineId: number;
  #seenStart = false;
  #control: ControlFile | undefined;
  #consistentLsn: Lsn | undefined;

  /** Throws XX001 for a start record that cannot be, 0A000 for one of an unknown Postgres. */
  constructor(start: StartRecord) {
    assertStartRecord(start);
    const { backupStartLsn: lsn, postgresTimelineId: timelineId, walSegmentSize } = start;
    this.#start = start;
    this.majorVersion = knownMajorVersion(start);
    this.#judge = new Recoverability({ lsn, timelineId, walSegmentSize });
    this.#names = new ClusterNames(WRITTEN, requiredDirectories(this.majorVersion));
    this.#walTimelineId = timelineId;
  }

  /** Has to be given the WAL's records as they come. */
  get judge(): Recoverability {
    return this.#judge;
  }

  /** By tablespace OID: the name of the directory in it, such as `PG_15_202209061`. */
  get tablespaces(): ReadonlyMap<number, string> {
    return this.#tablespaces;
  }

  /**
   * The Postgres timeline that recovery up to `headLsn` has to be told to follow. Undefined where it finds the way: it
   * looks for history files in the order of their numbers, and a server can have passed one over that another has taken.
   */
  targetTimelineId(headLsn: Lsn): number | undefined {
    for (let id = this.#start.postgresTimelineId + 1; id < this.#walTimelineId; id++)
      if (!this.#hasHistory(id, headLsn)) return this.#walTimelineId;
    return undefined;
  }

  /** pg_control of the base backup, once that is consistent. */
  get control(): ControlFile | undefined {
    return this.#control;
  }

  /** One that goes on from here by itself. */
  clone(): ClusterChecker {
    const clone = new ClusterChecker(this.#start);
    clone.#judge = this.#judge.clone();
    clone.#tablespaces = new Map(this.#tablespaces);
    clone.#names = this.#names.clone();
    clone.#needed = new Map(this.#needed);
    clone.#histories = new Map(this.#histories);
    clone.#walTimelineId = this.#walTimelineId;
    clone.#seenStart = this.#seenStart;
    clone.#control = this.#control;
    clone.#consistentLsn = this.#consistentLsn;
    return clone;
  }

  /** Takes the next record. Throws XX001, or 55000 where the WAL cannot be recovered. */
  take({ record }: Record): void {
    if ((record.case === "start") === this.#seenStart) {
      throw damaged(
        this.#seenStart ? "the branch holds a second start record" : "the branch has no start record",
      );
    }
    switch (record.case) {
      case "start":
        this.#seenStart = true;
        if (!equals(StartRecordSchema, record.value, this.#start))
          throw damaged("the branch's start record is another one than that of its timeline");
        break;
      case "pageImages":
        this.#takePages(record.value);
        break;
      case "filePiece":
        this.#takeFile(bytePath(record.value.path), record.value.offset, record.value.data);
        break;
      case "directory":
        this.#takeDirectory(bytePath(record.value.path));
        break;
      case "wal":
        this.#walTimelineId = Math.max(this.#walTimelineId, record.value.postgresTimelineId);
        break;
      case "timelineHistory":
        switchPoint(record.value.content);
        this.#histories.set(record.value.postgresTimelineId, record.value.content);
        break;
      case "consistentPoint":
        this.#endBackup(record.value.backupStopLsn);
        break;
      default:
        throw damaged("the branch holds a record of an unknown kind");
    }
  }

  /**
   * Says whether the branch can end at `headLsn`, up to which all records were taken. Throws 55000 if its base backup is
   * not consistent there, XX001 for what is missing or does not fit.
   */
  finish(headLsn: Lsn): ControlFile {
    if (this.#control === undefined || this.#consistentLsn === undefined || headLsn < this.#consistentLsn) {
      throw new NeonError(
        "object_not_in_prerequisite_state",
        "the branch ends before its base backup is consistent",
        { hint: "Import it again." },
      );
    }
    if (this.#control.minRecoveryPoint > headLsn)
      throw damaged(`the branch ends at ${formatLsn(headLsn)}, before pg_control's minimum recovery point`);
    this.#assertHistory(headLsn);
    return this.#control;
  }

  #takePages({ relation, blocks, pages }: PageImages): void {
    if (relation === undefined || pages.length !== blocks.length * BLOCK_SIZE)
      throw damaged("the branch holds page images without their pages");
    this.#names.addFile(relationPath(relation, this.#tablespaces));
  }

  #takeDirectory(path: string): void {
    if (!isExportedPath(path, "directory", this.majorVersion)) return;
    this.#learnTablespace(path);
    this.#names.addDirectory(path);
  }

  #takeFile(path: string, offset: bigint, data: Uint8Array): void {
    if (!isExportedPath(path, "file", this.majorVersion)) return;
    if (offset > BigInt(Number.MAX_SAFE_INTEGER - data.length))
      throw damaged(`${quotePath(path)} is said to be ${offset} bytes long`);
    this.#learnTablespace(path);
    this.#names.addFile(path);
    if ((NEEDED as readonly string[]).includes(path)) this.#keep(path, Number(offset), data);
  }

  #keep(path: string, offset: number, data: Uint8Array): void {
    const before = this.#needed.get(path) ?? Buffer.alloc(0);
    const length = Math.max(before.length, offset + data.length);
    if (length > MAX_NEEDED_BYTES) throw damaged(`${path} is ${length} bytes long`);
    const file = Buffer.alloc(length);
    before.copy(file);
    file.set(data, offset);
    this.#needed.set(path, file);
  }

  #learnTablespace(path: string): void {
    const [, oid, version] = TABLESPACE_DIRECTORY.exec(path) ?? [];
    if (version !== undefined) this.#tablespaces.set(Number(oid), version);
  }

  #endBackup(stopLsn: Lsn): void {
    this.#consistentLsn ??= stopLsn;
    const version = this.#require("PG_VERSION").toString("latin1").trim();
    if (version !== String(this.majorVersion)) throw damaged(`PG_VERSION is ${JSON.stringify(version)}`);
    this.#control = this.#readControlFile();
    this.#assertRecoveryBegins(this.#control);
  }

  #require(path: (typeof NEEDED)[number]): Buffer {
    const content = this.#needed.get(path);
    if (content === undefined || content.length === 0) throw damaged(`the branch holds no ${path}`);
    return content;
  }

  #readControlFile(): ControlFile {
    const control = parsePgControl(this.#require("global/pg_control"));
    const { systemIdentifier, walSegmentSize, backupStartLsn } = this.#start;
    if (control.relationSegmentBlocks !== RELATION_SEGMENT_BLOCKS || control.blockSize !== BLOCK_SIZE) {
      throw new NeonError(
        "feature_not_supported",
        "the cluster's files are cut by other sizes than stock Postgres's",
        { hint: "neon exports clusters with pages of 8 kB and relation files of 1 GB." },
      );
    }
    if (control.systemIdentifier !== systemIdentifier || control.walSegmentSize !== walSegmentSize)
      throw damaged("pg_control is another cluster's");
    if (control.walLevel === 0)
      throw new UnrecoverableWalError(backupStartLsn, "pg_control says wal_level=minimal");
    for (const [oid, version] of this.#tablespaces) {
      if (version === `PG_${this.majorVersion}_${control.catalogVersion}`) continue;
      throw damaged(`tablespace ${oid} is of another Postgres: ${version}`);
    }
    return control;
  }

  /** As read_backup_label and what follows it at a start. */
  #assertRecoveryBegins({ state }: ControlFile): void {
    const { backupStartLsn, postgresTimelineId } = this.#start;
    const label = parseBackupLabel(this.#require("backup_label"));
    if (label.startLsn !== backupStartLsn || label.timelineId !== postgresTimelineId)
      throw damaged("backup_label is another base backup's");
    if (!this.judge.checkpoints.has(label.checkpointLsn))
      throw damaged(`the WAL has no checkpoint at ${formatLsn(label.checkpointLsn)}, where recovery begins`);
    if (label.fromStandby) {
      if (state === "in archive recovery" || state === "shut down in recovery") return;
      throw damaged(`backup_label is a standby's, and pg_control that of a cluster ${state}`);
    }
    const { backupEndLsn, shutdownInBackup } = this.judge;
    if (shutdownInBackup !== undefined)
      throw damaged(
        `the server was shut down at ${formatLsn(shutdownInBackup)}, before the base backup's end`,
      );
    if (backupEndLsn === undefined) throw damaged("the WAL does not reach the end of the base backup");
  }

  /** Without the history of the last timeline recovery ends where that begins. */
  #assertHistory(headLsn: Lsn): void {
    const id = this.#walTimelineId;
    if (id === this.#start.postgresTimelineId || this.#hasHistory(id, headLsn)) return;
    throw damaged(`the WAL goes on to timeline ${id}, whose history file is missing`);
  }

  #hasHistory(id: number, headLsn: Lsn): boolean {
    const history = this.#histories.get(id);
    return history !== undefined && switchPoint(history) <= headLsn;
  }
}

function knownMajorVersion({ serverVersionNum }: StartRecord): number {
  const majorVersion = Math.floor(serverVersionNum / 10_000);
  if (majorVersion >= FIRST_MAJOR_VERSION && majorVersion <= LAST_MAJOR_VERSION) return majorVersion;
  throw new NeonError("feature_not_supported", `the branch is of Postgres ${majorVersion}`, {
    hint: `neon exports clusters of Postgres ${FIRST_MAJOR_VERSION} to ${LAST_MAJOR_VERSION}.`,
  });
}

function damaged(text: string): NeonError {
  return new NeonError("data_corrupted", text, { party: "source" });
}
