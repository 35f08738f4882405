import { crc32c } from "@node-rs/crc32";
import { NeonError } from "../errors.js";
import type { Lsn } from "../lsn.js";

/** What `pg_control` says of a cluster (Postgres source: pg_control.h). The file is always 8192 bytes long. */
export interface ControlFile {
  readonly systemIdentifier: bigint;
  readonly pgControlVersion: number;
  /** With the major version it names the directory inside a tablespace: `PG_15_202209061`. */
  readonly catalogVersion: number;
  readonly state: ControlFileState;
  /** LSN of the latest checkpoint record. */
  readonly checkpointLsn: Lsn;
  /** Where recovery from that checkpoint begins. */
  readonly redo: Lsn;
  /** Postgres timeline id of that checkpoint. */
  readonly timelineId: number;
  /** Recovery has to go at least here; 0n on a primary. */
  readonly minRecoveryPoint: Lsn;
  readonly minRecoveryPointTimelineId: number;
  /** 0 minimal, 1 replica, 2 logical. */
  readonly walLevel: number;
  readonly maxConnections: number;
  readonly maxWorkerProcesses: number;
  readonly maxWalSenders: number;
  readonly maxPreparedXacts: number;
  readonly maxLocksPerXact: number;
  readonly trackCommitTimestamp: boolean;
  /** Bytes of a page. */
  readonly blockSize: number;
  /** Pages in each file of a relation but the last: 131072, that is 1 GB, unless Postgres was built otherwise. */
  readonly relationSegmentBlocks: number;
  /** Bytes of a WAL page. */
  readonly walBlockSize: number;
  /** Bytes of a WAL segment. */
  readonly walSegmentSize: number;
  /** 0: data checksums are off. */
  readonly dataChecksumVersion: number;
}

const STATES = [
  "starting up",
  "shut down",
  "shut down in recovery",
  "shutting down",
  "in crash recovery",
  "in archive recovery",
  "in production",
] as const;

/** The cluster's state, in the words of pg_controldata. */
export type ControlFileState = (typeof STATES)[number];

// Offset of the CRC by pg_control_version; everything before mock_authentication_nonce lies at the same place in all.
const CRC_OFFSET: Record<number, number> = { 1300: 288, 1700: 288, 1800: 292 };

/**
 * Reads `global/pg_control` of Postgres 14 to 18, as written on a little-endian host.
 *
 * Throws XX001 for a file that is cut short or fails its CRC, 0A000 for another version or byte order. `file` is not
 * kept.
 */
export function parsePgControl(file: Uint8Array): ControlFile {
  if (file.length < 512) {
    throw new NeonError("data_corrupted", `pg_control is ${file.length} bytes long`, { party: "source" });
  }
  const view = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const pgControlVersion = view.readUInt32LE(8);
  const crcOffset = CRC_OFFSET[pgControlVersion];
  if (crcOffset === undefined) throw unknownVersion(pgControlVersion, view.readUInt32BE(8));
  if (crc32c(view.subarray(0, crcOffset)) !== view.readUInt32LE(crcOffset)) {
    throw new NeonError("data_corrupted", "pg_control fails its checksum", {
      party: "source",
      retryable: true,
    });
  }
  return {
    systemIdentifier: view.readBigUInt64LE(0),
    pgControlVersion,
    catalogVersion: view.readUInt32LE(12),
    state: stateName(view.readUInt32LE(16)),
    checkpointLsn: view.readBigUInt64LE(32),
    redo: view.readBigUInt64LE(40),
    timelineId: view.readUInt32LE(48),
    minRecoveryPoint: view.readBigUInt64LE(136),
    minRecoveryPointTimelineId: view.readUInt32LE(144),
    walLevel: view.readUInt32LE(172),
    maxConnections: view.readUInt32LE(180),
    maxWorkerProcesses: view.readUInt32LE(184),
    maxWalSenders: view.readUInt32LE(188),
    maxPreparedXacts: view.readUInt32LE(192),
    maxLocksPerXact: view.readUInt32LE(196),
    trackCommitTimestamp: view[200] !== 0,
    blockSize: view.readUInt32LE(216),
    relationSegmentBlocks: view.readUInt32LE(220),
    walBlockSize: view.readUInt32LE(224),
    walSegmentSize: view.readUInt32LE(228),
    dataChecksumVersion: view.readUInt32LE(252),
  };
}

function stateName(state: number): ControlFileState {
  const name = STATES[state];
  if (name === undefined)
    throw new NeonError("data_corrupted", `pg_control holds the unknown state ${state}`);
  return name;
}

function unknownVersion(littleEndian: number, bigEndian: number): NeonError {
  if (CRC_OFFSET[bigEndian] !== undefined) {
    return new NeonError("feature_not_supported", "the cluster was made on a big-endian host", {
      hint: "neon reads clusters of little-endian hosts (x86-64, arm64) only.",
    });
  }
  return new NeonError("feature_not_supported", `pg_control version ${littleEndian} is not known`, {
    hint: "neon knows the clusters of Postgres 14 to 18.",
  });
}
