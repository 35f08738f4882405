import { stat, statfs } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { freePort } from "../../pgwire/free-port.js";
import type { ConfLine } from "./conf-line.js";
import type { ConfigurationOptions } from "./configuration.js";
import type { ExportFacts } from "./treated-setting.js";

/** Below it are the ports of Postgres's own default and of what else is usual there. */
const FIRST_PORT = 5433;
const PORTS = 100;

/**
 * Slots and origins that there is always room for. How many the source had is written neither in pg_control nor in its
 * WAL, and its configuration may have been raised after the base backup; one costs some hundred bytes.
 */
const LEAST_REPLICATION_SLOTS = 1000;

// pg_logical/replorigin_checkpoint (origin.c): magic and CRC, and between them 16 bytes for each origin.
const ORIGINS_FRAME_BYTES = 8;
const ORIGIN_BYTES = 16;

/** What the settings depend on: the history, the source's own settings, this host. */
export async function gatherFacts(
  root: string,
  options: ConfigurationOptions,
  source: readonly ConfLine[],
): Promise<ExportFacts> {
  const { majorVersion, needs, hasTablespaces } = options;
  const { bavail, bsize } = await statfs(root);
  return {
    majorVersion,
    needs,
    hasTablespaces,
    maxReplicationSlots: Math.max(
      LEAST_REPLICATION_SLOTS,
      await originsAtCheckpoint(root),
      ...numbers(source, "max_replication_slots"),
      ...numbers(source, "max_active_replication_origins"),
    ),
    port: await freePort(FIRST_PORT, PORTS, new Set(numbers(source, "port"))),
    memoryBytes: options.memoryBytes ?? hostMemory(),
    freeDiskBytes: options.freeDiskBytes ?? bavail * bsize,
  };
}

function numbers(settings: readonly ConfLine[], name: string): number[] {
  return settings
    .filter((setting) => setting.name === name)
    .map(({ value }) => Number(value))
    .filter((value) => Number.isSafeInteger(value));
}

async function originsAtCheckpoint(root: string): Promise<number> {
  const size = await stat(join(root, "pg_logical", "replorigin_checkpoint")).then(
    (stats) => stats.size,
    () => 0,
  );
  return Math.floor(Math.max(0, size - ORIGINS_FRAME_BYTES) / ORIGIN_BYTES);
}

/** Bytes of memory: of the host, or as many as its control group (container) allows. */
function hostMemory(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
