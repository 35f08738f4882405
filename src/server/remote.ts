import { type ErrorCode, NeonError, type Party } from "../errors.js";
import type { Connection, CopyBothSession } from "../pgwire/connection.js";
import { isConnectionUri, withoutPassword } from "./connection-uri.js";
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
  const connection = await connect({ uri, applicationName: "neon", signal }).catch((error) => {
    throw signal.aborted ? error : explainRemote(error, destination, "connection");
  });
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

/** What people call another page server: its origin's name, or its URI without the password. */
export function remoteName(destination: string): string {
  return isConnectionUri(destination) ? withoutPassword(destination) : destination;
}

/** Hints for what is wrong there and not here. */
const HINTS_THERE: Partial<Record<ErrorCode, string>> = {
  disk_full: "Free some space on that machine and try again: what was acknowledged is not sent again.",
  io_error: "The disk of that machine may be full or failing; its system's log may say which.",
};

const HINT_DAMAGED = "neon verify at that page server says what is damaged there.";

/** What the operating system says of this machine, as it would of the other one. */
const OURS: readonly ErrorCode[] = ["disk_full", "io_error"];

/** What a session that broke off has left, by what the other page server was in it. */
const HINTS_LOST: Partial<Record<Party, string>> = {
  sink: "What it has acknowledged is kept there: push again to send the rest.",
  source: "What has come is kept here: pull again for the rest.",
};

/**
 * The error of a session with another page server, named by an origin or a URI, which was this one's `party`: whatever
 * was reported from there, and the loss of the connection, names it. What this machine has run out of is said to be ours.
 */
export function explainRemote(thrown: unknown, destination: string, party: Party): NeonError {
  const error = NeonError.from(thrown);
  const { code, message, detail, hint, sqlstate, retryable } = error;
  const name = remoteName(destination);
  if (code === "connection_failure" || code === "admin_shutdown") {
    const text = `the page server at ${name} went away: ${message}`;
    return new NeonError(code, text, { hint: HINTS_LOST[party], retryable: true, party, cause: error });
  }
  if (!error.reported && OURS.includes(code)) {
    return new NeonError(code, `this page server: ${message}`, { detail, hint, party, cause: error });
  }
  if (!error.reported) return error;
  return new NeonError(code, `the page server at ${name}: ${message}`, {
    detail,
    hint: HINTS_THERE[code] ?? hint ?? (code === "data_corrupted" ? HINT_DAMAGED : loginHint(sqlstate)),
    sqlstate,
    retryable,
    party,
    cause: error,
  });
}

/** What may help where a log-in was refused without a word of advice. */
function loginHint(sqlstate: string): string | undefined {
  if (!sqlstate.startsWith("28")) return undefined;
  return sqlstate === "28P01"
    ? "Users and passwords are those of neon user add there. The password comes from the URI, or from PGPASSWORD or ~/.pgpass of the page server here."
    : "Is that a page server? A stock Postgres is read with neon import. Name the user in the URI, before the host and an @.";
}
