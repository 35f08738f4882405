import type {
  PageImages,
  Record,
  RelationFork,
  TimelineHistory,
} from "../../../gen/neon/pageserver/v1/record_pb.js";
import { BLOCK_SIZE } from "../../limits.js";
import type { Branch } from "../../timeline/store.js";
import { bytePath } from "../byte-path.js";
import { isExportedPath } from "../judge-path.js";
import { ClusterChecker, RELATION_SEGMENT_BLOCKS } from "./cluster-checker.js";
import { FileWriter } from "./file-writer.js";
import { type RecoveryNeeds, RecoveryNeedsReader } from "./recovery-needs.js";
import { relationPath } from "./relation-path.js";
import { requiredDirectories } from "./required-directories.js";
import { switchPoint } from "./timeline-history.js";
import { WalSegments } from "./wal-segments.js";

/** Writes the records of a branch, each of them judged first, as the files of a data directory. */
export class ClusterWriter {
  readonly #branch: Branch;
  readonly #checker: ClusterChecker;
  readonly #files: FileWriter;
  readonly #wal: WalSegments;
  readonly #needs: RecoveryNeedsReader;

  /** Writes below `root`, a directory that nobody else writes to. Throws what {@link ClusterChecker} throws. */
  constructor(root: string, branch: Branch) {
    const { backupStartLsn, walStartLsn, walSegmentSize } = branch.start;
    this.#branch = branch;
    this.#checker = new ClusterChecker(branch.start);
    this.#files = new FileWriter(root);
    this.#needs = new RecoveryNeedsReader(backupStartLsn);
    this.#wal = new WalSegments({
      files: this.#files,
      judge: this.#checker.judge,
      needs: this.#needs,
      startLsn: walStartLsn,
      headLsn: branch.head.lsn,
      walSegmentSize,
    });
  }

  /** Major version of the Postgres that starts on the directory. */
  get majorVersion(): number {
    return this.#checker.majorVersion;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#files.bytes;
  }

  /** Whether the cluster has tablespaces of its own, or its WAL makes some. */
  get hasTablespaces(): boolean {
    const { tablespaces } = this.#branch.start;
    return this.#checker.tablespaces.size > 0 || tablespaces.length > 0 || this.#wal.blanked;
  }

  /** Writes one record. Throws XX001 for one that cannot be, 55000 for WAL that cannot be recovered. */
  async write(next: Record): Promise<void> {
    this.#checker.take(next);
    const { record } = next;
    switch (record.case) {
      case "pageImages":
        return this.#writePages(record.value);
      case "filePiece":
        return this.#writeFile(bytePath(record.value.path), record.value.data, record.value.offset);
      case "directory":
        return this.#makeDirectory(bytePath(record.value.path));
      case "wal":
        return this.#wal.write(record.value);
      case "timelineHistory":
        return this.#writeHistory(record.value);
    }
  }

  /**
   * Ends the WAL, makes the directories that must not be missing, checks the whole. Returns what recovery of it needs.
   * Call {@link close} in any case.
   */
  async finish(): Promise<RecoveryNeeds> {
    await this.#wal.finish();
    for (const path of requiredDirectories(this.majorVersion)) await this.#files.makeDirectory(path);
    const { lsn } = this.#branch.head;
    const needs = this.#needs.needs(this.#checker.finish(lsn));
    return { ...needs, targetTimelineId: this.#checker.targetTimelineId(lsn) };
  }

  /** Closes the files. */
  async close(): Promise<void> {
    await this.#files.close();
  }

  async #writePages({ relation, blocks, pages }: PageImages): Promise<void> {
    const path = relationPath(relation as RelationFork, this.#checker.tablespaces);
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

  async #makeDirectory(path: string): Promise<void> {
    if (isExportedPath(path, "directory", this.majorVersion)) await this.#files.makeDirectory(path);
  }

  async #writeFile(path: string, data: Uint8Array, offset: bigint): Promise<void> {
    if (!isExportedPath(path, "file", this.majorVersion)) return;
    await this.#files.write(path, data, Number(offset));
  }

  /** A history file of a timeline that begins after the head would claim a false ancestry. */
  async #writeHistory({ postgresTimelineId, content }: TimelineHistory): Promise<void> {
    if (switchPoint(content) > this.#branch.head.lsn) return;
    const name = postgresTimelineId.toString(16).toUpperCase().padStart(8, "0");
    await this.#files.write(`pg_wal/${name}.history`, content, 0);
  }
}
