import { NeonError } from "../../errors.js";
import { BLOCK_SIZE } from "../../limits.js";
import { type Connection, connect, type Notice } from "../../pgwire/connect.js";
import { createTemporarySlot } from "../replication/create-replication-slot.js";
import { identifySystem } from "../replication/identify-system.js";
import { show, showBytes } from "../replication/show.js";
import { warningText } from "./warning-text.js";

const OLDEST_MAJOR = 14;
const NEWEST_MAJOR = 18;
const TOO_MANY_CONNECTIONS = "53300";
/** Of the two modes that Postgres starts with, the one that lets the group read. */
const GROUP_ACCESS_MODE = "0750";

/** What an import has to know of a server before its files come. */
export interface ServerFacts {
  readonly systemIdentifier: bigint;
  /** server_version_num, such as 150018. */
  readonly versionNum: number;
  readonly majorVersion: number;
  /** Bytes. */
  readonly walSegmentSize: number;
  /** Pages in each file of a relation fork but the last. */
  readonly relationSegmentBlocks: number;
  /** Whether the group of its owner may read the cluster's files. */
  readonly groupAccess: boolean;
}

/** A running Postgres, seen through the two connections of an import. */
export class ImportSource {
  private constructor(
    readonly facts: ServerFacts,
    /** Holds the slot, and streams WAL. */
    readonly walConnection: Connection,
    /** The slot's name. It ends with walConnection. */
    readonly slot: string,
    /** For the base backup. */
    readonly baseConnection: Connection,
  ) {}

  /** Connects, checks that the server can be imported, and makes the slot. Throws the refusals, with hints. */
  static async open(
    uri: string,
    signal: AbortSignal | undefined,
    onNotice?: (text: string) => void,
  ): Promise<ImportSource> {
    const opened: Connection[] = [];
    try {
      const walConnection = await connectForReplication(uri, signal, onNotice);
      opened.push(walConnection);
      const facts = await describeServer(walConnection);
      const baseConnection = await connectForReplication(uri, signal, onNotice);
      opened.push(baseConnection);
      const slot = await createTemporarySlot(walConnection, "neon_import");
      return new ImportSource(facts, walConnection, slot, baseConnection);
    } catch (error) {
      for (const connection of opened) connection.destroy();
      throw error;
    }
  }

  /** Ends both connections. When it resolves the slot is gone: the server closes the socket after it dropped the slot. */
  async close(): Promise<void> {
    await Promise.all([this.walConnection.close(), this.baseConnection.close()]);
  }

  /** Cuts both connections. What runs on them fails, and the server drops the slot as soon as it notices. */
  destroy(): void {
    this.walConnection.destroy();
    this.baseConnection.destroy();
  }
}

/**
 * Connects as a standby would. `onNotice` is told what the server warns of. Throws 55000 for a server that runs with
 * wal_level=minimal.
 */
export async function connectForReplication(
  uri: string,
  signal: AbortSignal | undefined,
  onNotice?: (text: string) => void,
): Promise<Connection> {
  const tell = (notice: Notice) => {
    const text = warningText(notice);
    if (text !== undefined) onNotice?.(text);
  };
  try {
    return await connect({ uri, replication: true, applicationName: "neon import", signal, onNotice: tell });
  } catch (error) {
    throw (await walLevelRefusal(error, uri, signal)) ?? error;
  }
}

/**
 * With wal_level=minimal max_wal_senders has to be 0, and that is all that the server complains about. The true reason
 * takes an ordinary connection; undefined if it is another one, or cannot be found out.
 */
async function walLevelRefusal(
  error: unknown,
  uri: string,
  signal: AbortSignal | undefined,
): Promise<NeonError | undefined> {
  if (!(error instanceof NeonError) || error.sqlstate !== TOO_MANY_CONNECTIONS) return undefined;
  try {
    const connection = await connect({ uri, applicationName: "neon import", signal });
    const level = await show(connection, "wal_level").finally(() => connection.close());
    if (level !== "minimal") return undefined;
  } catch {
    return undefined;
  }
  return new NeonError("object_not_in_prerequisite_state", "the server runs with wal_level=minimal", {
    party: "source",
    hint: "Set wal_level to replica and max_wal_senders to 2 or more there, and restart that server.",
    cause: error,
  });
}

/** Asks a server what it is. Throws 0A000 for one that cannot be imported. */
export async function describeServer(connection: Connection): Promise<ServerFacts> {
  const versionNum = await showVersion(connection);
  const majorVersion = Math.floor(versionNum / 10_000);
  if (majorVersion < OLDEST_MAJOR || majorVersion > NEWEST_MAJOR) {
    throw new NeonError("feature_not_supported", `the server is a PostgreSQL ${majorVersion}`, {
      party: "source",
      hint: `neon imports PostgreSQL ${OLDEST_MAJOR} to ${NEWEST_MAJOR}.`,
    });
  }
  await requireBlockSize(connection, "block_size");
  await requireBlockSize(connection, "wal_block_size");
  const { systemIdentifier } = await identifySystem(connection);
  return {
    systemIdentifier,
    versionNum,
    majorVersion,
    walSegmentSize: await showBytes(connection, "wal_segment_size"),
    relationSegmentBlocks: (await showBytes(connection, "segment_size")) / BLOCK_SIZE,
    groupAccess: (await show(connection, "data_directory_mode")) === GROUP_ACCESS_MODE,
  };
}

/** server_version_num. Throws 0A000 for a server that is a page server rather than a Postgres. */
async function showVersion(connection: Connection): Promise<number> {
  if (connection.parameters.get("server_version")?.includes("neon") === true) {
    throw new NeonError("feature_not_supported", "that is a page server, not a PostgreSQL", {
      party: "source",
      hint: "import takes the URI of a running PostgreSQL.",
    });
  }
  return Number(await show(connection, "server_version_num"));
}

async function requireBlockSize(connection: Connection, name: string): Promise<void> {
  const bytes = await showBytes(connection, name);
  if (bytes === BLOCK_SIZE) return;
  throw new NeonError("feature_not_supported", `the server was built with a ${name} of ${bytes} bytes`, {
    party: "source",
    hint: `neon imports clusters with the default of ${BLOCK_SIZE} bytes only.`,
  });
}
