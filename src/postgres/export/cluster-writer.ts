import type { PageImages, Record, TimelineHistory } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { BLOCK_SIZE } from "../../limits.js";
import { formatLsn, type Lsn } from "../../lsn.js";
import type { Branch } from "../../timeline/store.js";
import { type ControlFile, parsePgControl } from "../control-file.js";
import { isExportedPath } from "./cluster-path.js";
import { FileWriter } from "./file-writer.js";
import { type RecoveryNeeds, RecoveryNeedsReader } from "./recovery-needs.js";
import { relationPath } from "./relation-path.js";
import { requiredDirectories } from "./required-directories.js";
import { switchPoint } from "./timeline-history.js";
import { WalSegments } from "./wal-segments.js";

/** Pages in each file of a fork but the last: 1 GB. Postgres built otherwise is refused. */
const RELATION_SEGMENT_BLOCKS = 131072;
const TABLESPACE_DIRECTORY = /^pg_tblspc\/(\d+)(?:\/(PG_[^/]+))?/;
const MAX_CONTROL_FILE_BYTES = 64 * 1024;

/** Writes the records of a branch as the files of a data directory. */
export class ClusterWriter {
  readonly #branch: Branch;
  readonly #majorVersion: number;
  readonly #files: FileWriter;
  readonly #wal: WalSegments;
  readonly #needs: RecoveryNeedsReader;
  /** By tablespace OID: the name of the directory in it, such as `PG_15_202209061`. */
  readonly #tablespaces = new Map<number, string>();
  #consistentLsn: Lsn | undefined;

  /** Writes below `root`, a directory that nobody else writes to. */
  constructor(root: string, branch: Branch, majorVersion: number) {
    const { backupStartLsn, walStartLsn, walSegmentSize } = branch.start;
    this.#branch = branch;
    this.#majorVersion = majorVersion;
    this.#files = new FileWriter(root);
    this.#needs = new RecoveryNeedsReader(backupStartLsn);
    this.#wal = new WalSegments({
      files: this.#files,
      needs: this.#needs,
      startLsn: walStartLsn,
      headLsn: branch.head.lsn,
      walSegmentSize,
    });
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#files.bytes;
  }

  /** Whether the cluster has tablespaces of its own, or its WAL makes some. */
  get hasTablespaces(): boolean {
    return this.#tablespaces.size > 0 || this.#branch.start.tablespaces.length > 0 || this.#wal.blanked;
  }

  /** Writes one record. Throws XX001 for one that cannot be. */
  async write({ record }: Record): Promise<void> {
    switch (record.case) {
      case "pageImages":
        return this.#writePages(record.value);
      case "filePiece":
        return this.#writeFile(record.value.path, record.value.data, record.value.offset);
      case "directory":
        if (!isExportedPath(record.value.path)) return;
        this.#learnTablespace(record.value.path);
        return this.#files.makeDirectory(record.value.path);
      case "wal":
        return this.#wal.write(record.value);
      case "timelineHistory":
        return this.#writeHistory(record.value);
      case "consistentPoint":
        this.#consistentLsn = record.value.backupStopLsn;
        return;
      case "start":
        return;
      default:
        throw damaged("the branch holds a record of an unknown kind");
    }
  }

  /**
   * Ends the WAL, makes the directories that must not be missing, checks the whole. Returns what recovery of it needs.
   * Call {@link close} in any case.
   */
  async finish(): Promise<RecoveryNeeds> {
    await this.#wal.finish();
    for (const path of requiredDirectories(this.#majorVersion)) await this.#files.makeDirectory(path);
    const { head } = this.#branch;
    if (this.#consistentLsn === undefined || head.lsn < this.#consistentLsn) {
      const text = `branch "${this.#branch.name}" ends before its base backup is consistent`;
      throw new NeonError("object_not_in_prerequisite_state", text, { hint: "Import it again." });
    }
    await this.#assertPresent("backup_label");
    const version = (await this.#assertPresent("PG_VERSION")).toString("latin1").trim();
    if (version !== String(this.#majorVersion)) throw damaged(`PG_VERSION is ${JSON.stringify(version)}`);
    return this.#needs.needs(await this.#readControlFile());
  }

  /** Closes the files. */
  async close(): Promise<void> {
    await this.#files.close();
  }

  async #writePages({ relation, blocks, pages }: PageImages): Promise<void> {
    if (relation === undefined || pages.length !== blocks.length * BLOCK_SIZE) {
      throw damaged("the branch holds page images without their pages");
    }
    const path = relationPath(relation, this.#tablespaces);
    if (blocks.length === 0) await this.#files.write(path, pages, 0);
    for (let first = 0; first < blocks.length; ) {
      const block = blocks[first];
      const inFile = block % RELATION_SEGMENT_BLOCKS;
      let next = first + 1;
      while (blocks[next] === block + next - first && inFile + next - first < RELATION_SEGMENT_BLOCKS) next++;
      const file = block === inFile ? path : `${path}.${(block - inFile) / RELATION_SEGMENT_BLOCKS}`;
      const run = pages.subarray(first * BLOCK_SIZE, next * BLOCK_SIZE);
      await this.#files.write(file, run, inFile * BLOCK_SIZE);
      first = next;
    }
  }

  async #writeFile(path: string, data: Uint8Array, offset: bigint): Promise<void> {
    if (!isExportedPath(path)) return;
    if (offset > BigInt(Number.MAX_SAFE_INTEGER - data.length))
      throw damaged(`${path} is said to be ${offset} bytes long`);
    this.#learnTablespace(path);
    await this.#files.write(path, data, Number(offset));
  }

  /** A history file of a timeline that begins after the head would claim a false ancestry. */
  async #writeHistory({ postgresTimelineId, content }: TimelineHistory): Promise<void> {
    if (switchPoint(content) > this.#branch.head.lsn) return;
    const name = postgresTimelineId.toString(16).toUpperCase().padStart(8, "0");
    await this.#files.write(`pg_wal/${name}.history`, content, 0);
  }

  #learnTablespace(path: string): void {
    const [, oid, version] = TABLESPACE_DIRECTORY.exec(path) ?? [];
    if (version !== undefined) this.#tablespaces.set(Number(oid), version);
  }

  async #assertPresent(path: string): Promise<Buffer> {
    const content = await this.#files.read(path, 0, MAX_CONTROL_FILE_BYTES);
    if (content.length === 0) throw damaged(`the branch holds no ${path}`);
    return content;
  }

  async #readControlFile(): Promise<ControlFile> {
    const control = parsePgControl(await this.#assertPresent("global/pg_control"));
    const { start, head } = this.#branch;
    if (control.relationSegmentBlocks !== RELATION_SEGMENT_BLOCKS || control.blockSize !== BLOCK_SIZE) {
      throw new NeonError(
        "feature_not_supported",
        "the cluster's files are cut by other sizes than stock Postgres's",
        {
          hint: "neon exports clusters with pages of 8 kB and relation files of 1 GB.",
        },
      );
    }
    if (
      control.systemIdentifier !== start.systemIdentifier ||
      control.walSegmentSize !== start.walSegmentSize
    ) {
      throw damaged("pg_control is another cluster's");
    }
    if (control.minRecoveryPoint > head.lsn) {
      throw damaged(`the branch ends at ${formatLsn(head.lsn)}, before pg_control's minimum recovery point`);
    }
    for (const [oid, version] of this.#tablespaces) {
      if (version === `PG_${this.#majorVersion}_${control.catalogVersion}`) continue;
      throw damaged(`tablespace ${oid} is of another Postgres: ${version}`);
    }
    return control;
  }
}

function damaged(text: string): NeonError {
  return new NeonError("data_corrupted", text, { party: "source" });
}
