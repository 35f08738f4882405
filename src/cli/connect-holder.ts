import { join } from "node:path";
import { type ErrorCode, NeonError } from "../errors.js";
import type { Connection } from "../pgwire/connection.js";

/** What connecting says where nobody listens, or somebody who is just coming or going. */
const NOBODY: readonly ErrorCode[] = [
  "undefined_file",
  "sqlclient_unable_to_establish_sqlconnection",
  "connection_failure",
  "cannot_connect_now",
  "admin_shutdown",
];

/** Connects to the process that holds a repository. Undefined if there is none that answers. */
export async function connectHolder(neonDirectory: string): Promise<Connection | undefined> {
  const { connectSocket } = await import("../pgwire/connect-socket.js");
  try {
    return await connectSocket(join(neonDirectory, "socket"));
  } catch (error) {
    if (error instanceof NeonError && NOBODY.includes(error.code)) return undefined;
    throw error;
  }
}
