import { NeonError } from "../errors.js";
import type { Connection, CopyBothSession } from "../pgwire/connection.js";
import { resolveDestination } from "./origins.js";

/**
 * Connects to another page server, named by an origin or a URI. The caller closes the connection.
 * Throws 42704 for an unknown origin, 08001 if nobody answers, 08000 if it is no page server.
 */
export async function connectRemote(
  directory: string,
  destination: string,
  signal: AbortSignal,
): Promise<Connection> {
  const uri = await resolveDestination(directory, destination);
  const { connect } = await import("../pgwire/connect.js");
  const connection = await connect({ uri, applicationName: "neon", signal });
  if (connection.parameters.get("server_version")?.includes("(neon ")) return connection;
  await connection.close();
  throw new NeonError("connection_exception", "the server there is not a page server", {
    hint: "Push to and pull from a neon page server; a stock Postgres is read with neon import.",
    party: "connection",
  });
}

/** Runs a copy_both command. Throws 08P01 if the page server answers with rows. */
export async function openCopyBoth(connection: Connection, command: string): Promise<CopyBothSession> {
  const stream = await connection.copyBoth(command);
  if (stream.opened) return stream;
  throw new NeonError("protocol_violation", "the page server there answered with rows", {
    party: "protocol",
  });
}
