import { formatLsn } from "../../src/lsn.js";
import type { RecordInit } from "../../src/timeline/frame/record-batch.js";
import { bitwiseCrc32c } from "../postgres/wal/wal-builder.js";

/** The cluster that {@link clusterFiles} makes files of. */
export interface FakeCluster {
  readonly systemIdentifier: bigint;
  readonly walSegmentSize: number;
  readonly backupStartLsn: bigint;
  readonly checkpointLsn: bigint;
}

/** The files of a PostgreSQL 15 that recovery begins with, as records of a base backup. */
export function clusterFiles(cluster: FakeCluster): RecordInit[] {
  return [
    file("backup_label", Buffer.from(backupLabel(cluster))),
    file("PG_VERSION", Buffer.from("15\n")),
    file("global/pg_control", controlFile(cluster)),
  ];
}

function file(path: string, data: Buffer): RecordInit {
  return { record: { case: "filePiece", value: { path: Buffer.from(path), offset: 0n, data } } };
}

function backupLabel({ backupStartLsn, checkpointLsn }: FakeCluster): string {
  return [
    `START WAL LOCATION: ${formatLsn(backupStartLsn)} (file 000000010000000000000012)`,
    `CHECKPOINT LOCATION: ${formatLsn(checkpointLsn)}`,
    "BACKUP METHOD: streamed",
    "BACKUP FROM: primary",
    "START TIME: 2024-01-02 03:04:05 UTC",
    "LABEL: neon import",
    "START TIMELINE: 1",
    "",
  ].join("\n");
}

/** Fields of ControlFileData at their offsets in 14 to 16 (Postgres source: pg_control.h). */
function controlFile({
  systemIdentifier,
  walSegmentSize,
  checkpointLsn,
  backupStartLsn,
}: FakeCluster): Buffer {
  const file = Buffer.alloc(8192);
  file.writeBigUInt64LE(systemIdentifier, 0);
  file.writeUInt32LE(1300, 8);
  file.writeUInt32LE(202209061, 12);
  file.writeUInt32LE(6, 16); // in production
  file.writeBigUInt64LE(checkpointLsn, 32);
  file.writeBigUInt64LE(backupStartLsn, 40);
  file.writeUInt32LE(1, 48); // timeline
  file.writeUInt32LE(1, 172); // wal_level
  file.writeUInt32LE(8192, 216);
  file.writeUInt32LE(131072, 220);
  file.writeUInt32LE(8192, 224);
  file.writeUInt32LE(walSegmentSize, 228);
  file.writeUInt32LE(bitwiseCrc32c(file.subarray(0, 288)), 288);
  return file;
}
