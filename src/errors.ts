/**
 * The one error class of neon, and the closed list of its codes.
 *
 * Codes are SQLSTATEs (manual: Appendix A), so that libpq clients, CI scripts and our own CLI judge a failure by the
 * same five characters.
 */
import { getSystemErrorName } from "node:util";

/** SQLSTATEs that neon raises. The names are those of the manual's Appendix A. */
export const SQLSTATE = {
  feature_not_supported: "0A000",
  connection_exception: "08000",
  sqlclient_unable_to_establish_sqlconnection: "08001",
  connection_failure: "08006",
  protocol_violation: "08P01",
  invalid_parameter_value: "22023",
  invalid_authorization_specification: "28000",
  invalid_password: "28P01",
  insufficient_privilege: "42501",
  syntax_error: "42601",
  undefined_function: "42883",
  undefined_object: "42704",
  duplicate_object: "42710",
  invalid_name: "42602",
  program_limit_exceeded: "54000",
  object_not_in_prerequisite_state: "55000",
  object_in_use: "55006",
  serialization_failure: "40001",
  query_canceled: "57014",
  admin_shutdown: "57P01",
  cannot_connect_now: "57P03",
  disk_full: "53100",
  io_error: "58030",
  undefined_file: "58P01",
  data_corrupted: "XX001",
  internal_error: "XX000",
} as const;

/** Name of an SQLSTATE that neon raises. */
export type ErrorCode = keyof typeof SQLSTATE;

/** Who failed: where the bytes come from, where they go, what lies between, or the rules of talking. */
export type Party = "caller" | "source" | "sink" | "connection" | "protocol";

/** What {@link NeonError} takes besides its code and message. */
export interface ErrorDetails {
  /** What the reader may do about it: one sentence. */
  readonly hint?: string;
  /** Facts that would make the message too long. */
  readonly detail?: string;
  /** Who failed; `caller` unless given. */
  readonly party?: Party;
  /** Whether the same attempt can succeed later without anything being changed. */
  readonly retryable?: boolean;
  /** Whether a server reported it over a connection: what it says of a disk is of that machine's. */
  readonly reported?: boolean;
  /** The error beneath. Never shown to users. */
  readonly cause?: unknown;
  /** The SQLSTATE as another server sent it, where it is none of ours. */
  readonly sqlstate?: string;
}

/** An error for people: a message, an SQLSTATE, a hint. Its texts never hold a password. */
export class NeonError extends Error {
  /** Name of the SQLSTATE. */
  readonly code: ErrorCode;
  /** The five characters. */
  readonly sqlstate: string;
  /** What the reader may do about it. */
  readonly hint: string | undefined;
  /** More facts. */
  readonly detail: string | undefined;
  /** Who failed. */
  readonly party: Party;
  /** Whether trying again can help. */
  readonly retryable: boolean;
  /** Whether a server reported it over a connection. */
  readonly reported: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "NeonError";
    this.code = code;
    this.sqlstate = details.sqlstate ?? SQLSTATE[code];
    this.hint = details.hint;
    this.detail = details.detail;
    this.party = details.party ?? "caller";
    this.retryable = details.retryable ?? false;
    this.reported = details.reported ?? false;
  }

  /** Makes a NeonError of whatever was thrown; operating-system errors get the SQLSTATE that Postgres gives them. */
  static from(thrown: unknown): NeonError {
    if (thrown instanceof NeonError) return thrown;
    if (!(thrown instanceof Error)) return new NeonError("internal_error", String(thrown));
    if (thrown.name === "AbortError") return new NeonError("query_canceled", "canceled", { cause: thrown });
    const { code, path } = thrown as NodeJS.ErrnoException;
    const known = OS_ERRORS[errorName(code) ?? ""];
    if (known === undefined) return new NeonError("internal_error", thrown.message, { cause: thrown });
    const where = path === undefined ? "" : ` (${path})`;
    return new NeonError(known.code, `${known.text}${where}`, { hint: known.hint, cause: thrown });
  }
}

/** LMDB gives the operating system's number where Node gives its name; LMDB's own numbers are negative. */
function errorName(code: string | number | undefined): string | undefined {
  return typeof code === "number" && code > 0 ? getSystemErrorName(-code) : code?.toString();
}

const OS_ERRORS: Record<string, { code: ErrorCode; text: string; hint?: string }> = {
  ENOSPC: { code: "disk_full", text: "No space left on device", hint: "Free some space and try again." },
  EDQUOT: { code: "disk_full", text: "Disk quota exceeded", hint: "Free some space and try again." },
  EFBIG: { code: "disk_full", text: "File size limit exceeded", hint: "Raise the limit: ulimit -f." },
  EIO: {
    code: "io_error",
    text: "Input/output error",
    hint: "The disk may be full or failing; the system's log may say which.",
  },
  EROFS: { code: "io_error", text: "Read-only file system" },
  ENOENT: { code: "undefined_file", text: "No such file or directory" },
  ENOTDIR: { code: "undefined_file", text: "Not a directory" },
  EACCES: { code: "insufficient_privilege", text: "Permission denied" },
  EPERM: { code: "insufficient_privilege", text: "Operation not permitted" },
  EMFILE: {
    code: "program_limit_exceeded",
    text: "Too many open files",
    hint: "Raise the limit: ulimit -n.",
  },
  ECONNREFUSED: {
    code: "sqlclient_unable_to_establish_sqlconnection",
    text: "Connection refused",
    hint: "Is the server running there, and listening on that address and port?",
  },
  ENOTFOUND: {
    code: "sqlclient_unable_to_establish_sqlconnection",
    text: "Host name not found",
    hint: "Is the name of the host written correctly?",
  },
  EAI_AGAIN: {
    code: "sqlclient_unable_to_establish_sqlconnection",
    text: "Host name could not be looked up",
  },
  EHOSTUNREACH: { code: "sqlclient_unable_to_establish_sqlconnection", text: "No route to host" },
  ENETUNREACH: { code: "sqlclient_unable_to_establish_sqlconnection", text: "Network is unreachable" },
  ETIMEDOUT: { code: "connection_failure", text: "Connection timed out" },
  ECONNRESET: { code: "connection_failure", text: "Connection reset by the other end" },
  EPIPE: { code: "connection_failure", text: "Connection closed by the other end" },
};
