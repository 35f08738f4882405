import { type ErrorCode, NeonError } from "../../errors.js";
import { parseUri } from "../../pgwire/connection-uri.js";

interface Explanation {
  /** The server's SQLSTATE, and what its message holds besides. */
  readonly sqlstate: string;
  readonly text?: RegExp;
  readonly code: ErrorCode;
  readonly hint: string;
  /** It ends what was going on: the hint goes on with what was kept. */
  readonly ends?: boolean;
}

const EXPLANATIONS: readonly Explanation[] = [
  {
    sqlstate: "28000",
    text: /pg_hba\.conf/,
    code: "invalid_authorization_specification",
    hint: 'Add a line for replication to its pg_hba.conf, such as "host replication <role> <address>/32 scram-sha-256", and run SELECT pg_reload_conf().',
  },
  {
    sqlstate: "28000",
    text: /[Pp]eer/,
    code: "invalid_authorization_specification",
    hint: "Over a unix socket that server lets in the operating system's user of the same name only (peer): run the page server as that user, or connect to its TCP port with a password: postgresql://role@localhost:5432/.",
  },
  {
    sqlstate: "28000",
    code: "invalid_authorization_specification",
    hint: "The role has to exist and to be allowed to log in: CREATE ROLE <role> LOGIN REPLICATION.",
  },
  {
    sqlstate: "08P01",
    text: /startup parameter/,
    code: "protocol_violation",
    hint: "A connection pooler such as pgbouncer seems to be in between, and takes no replication connections: import directly from the PostgreSQL behind it.",
  },
  {
    sqlstate: "42704",
    text: /idle_session_timeout/,
    code: "feature_not_supported",
    hint: "That server is older than what neon imports: PostgreSQL 14 to 18.",
  },
  {
    sqlstate: "28P01",
    code: "invalid_authorization_specification",
    hint: "Give the password in ~/.pgpass, in PGPASSWORD, or in the URI.",
  },
  {
    // What the server's own operating system refused it: a file of the data directory.
    sqlstate: "42501",
    text: /["„«“»‘'][^"]*\//,
    code: "insufficient_privilege",
    hint: "The user that PostgreSQL runs as cannot read that file in its own data directory, and so no base backup can be taken: give it to that user (chown), or move it elsewhere if it is not the cluster's.",
  },
  {
    sqlstate: "42501",
    code: "insufficient_privilege",
    hint: "The role needs the REPLICATION attribute: ALTER ROLE <role> REPLICATION.",
  },
  {
    sqlstate: "53300",
    text: /max_wal_senders/,
    code: "object_not_in_prerequisite_state",
    hint: "An import takes up to two WAL senders: raise max_wal_senders, with wal_level at least replica, and restart that server; or wait until other replication connections end.",
  },
  {
    sqlstate: "53300",
    code: "object_not_in_prerequisite_state",
    hint: "An import takes up to two connections: raise max_connections there, or wait until others end.",
  },
  {
    sqlstate: "53400",
    code: "object_not_in_prerequisite_state",
    hint: "An import takes a replication slot: raise max_replication_slots and restart that server, or drop a slot that nobody uses.",
  },
  {
    sqlstate: "55000",
    text: /max_replication_slots/,
    code: "object_not_in_prerequisite_state",
    hint: "An import takes a replication slot: raise max_replication_slots and restart that server.",
  },
  {
    sqlstate: "55000",
    text: /wal_level|WAL level/,
    code: "object_not_in_prerequisite_state",
    hint: "Set wal_level to replica or logical and restart that server.",
  },
  {
    sqlstate: "55000",
    text: /promoted/,
    code: "object_not_in_prerequisite_state",
    hint: "Import again from the promoted server.",
  },
  {
    sqlstate: "55000",
    text: /full_page_writes/,
    code: "object_not_in_prerequisite_state",
    hint: "Set full_page_writes to on at the primary, run CHECKPOINT there, and import again.",
  },
  {
    sqlstate: "55006",
    text: /slot/,
    code: "object_in_use",
    hint: "Another import --follow uses that slot, or that server has not noticed yet that the last one is gone, which takes it up to its wal_sender_timeout: try again then.",
  },
  {
    sqlstate: "57P02",
    code: "admin_shutdown",
    hint: "One of that server's processes crashed: its log says more.",
    ends: true,
  },
  {
    sqlstate: "57P03",
    code: "cannot_connect_now",
    hint: "Try again when that server takes connections.",
  },
  {
    sqlstate: "57P01",
    code: "admin_shutdown",
    hint: "That server ended the import's connection: it shuts down, or its max_slot_wal_keep_size is too small for the WAL written meanwhile.",
    ends: true,
  },
  {
    sqlstate: "58P01",
    text: /WAL/,
    code: "undefined_file",
    hint: "That server removed WAL that the import still needed: raise max_slot_wal_keep_size there, and import again.",
  },
  {
    sqlstate: "XX001",
    text: /checksum/,
    code: "data_corrupted",
    hint: "That server found damaged pages while it read its own files: its log names them.",
  },
  {
    sqlstate: "XX000",
    text: /symbolic link target too long/,
    code: "feature_not_supported",
    hint: "Before version 16 a base backup takes tablespaces whose path is at most 99 bytes long: move the tablespace, or reach it over a shorter path.",
  },
  {
    sqlstate: "XX000",
    text: /\btar\b/,
    code: "feature_not_supported",
    hint: "A base backup takes paths of at most 99 bytes: give that file a shorter name, or move it out of the data directory.",
  },
  {
    sqlstate: "42883",
    code: "feature_not_supported",
    hint: "That is a page server, not a PostgreSQL: import takes the URI of a PostgreSQL.",
  },
];

/** What is kept of a cluster that was being imported onto a branch of its own. */
export const NOTHING_KEPT = "Nothing was kept; import again.";

/**
 * The error to show for one that the imported server, or the connection to it, gave: the hint says what to do there, and
 * `kept` what is left of the import where that came to its end. A hint that it already has stays. Other errors come back
 * as they are.
 */
export function explainError(thrown: unknown, kept = NOTHING_KEPT): NeonError {
  const error = NeonError.from(thrown);
  const known = EXPLANATIONS.find(
    ({ sqlstate, text }) => sqlstate === error.sqlstate && text?.test(error.message) !== false,
  );
  if (error.hint !== undefined) return error;
  if (known !== undefined) {
    return withHint(error, known.code, known.ends ? `${known.hint} ${kept}` : known.hint);
  }
  if (error.code === "connection_failure") return withHint(error, error.code, `${GONE} ${kept}`);
  if (error.code === "sqlclient_unable_to_establish_sqlconnection") {
    return withHint(error, error.code, "Is that the address of a running PostgreSQL?");
  }
  return error;
}

const GONE = "The server is gone, or something between cut the connection; its log says more.";

/**
 * The error, with the Postgres named that reported it or that the connection was lost to. The URI's user and password are
 * left out.
 */
export function namePostgres(thrown: unknown, uri: string): NeonError {
  const error = NeonError.from(thrown);
  const { code, message, hint, detail, party, retryable, sqlstate, cause } = error;
  if (!error.reported && code !== "connection_failure" && code !== "admin_shutdown") return error;
  const text = `the Postgres at ${postgresAddress(uri)}: ${message}`;
  return new NeonError(code, text, { hint, detail, party, retryable, sqlstate, cause });
}

/** Host and port of a Postgres, or the directory of its socket and the port, of its connection URI. */
export function postgresAddress(uri: string): string {
  const { url } = parseUri(uri);
  const host = url.searchParams.get("host") || decodeURIComponent(url.hostname) || "localhost";
  return `${host}:${url.searchParams.get("port") || url.port || "5432"}`;
}

function withHint(error: NeonError, code: ErrorCode, hint: string): NeonError {
  return new NeonError(code, error.message, {
    hint,
    sqlstate: error.sqlstate,
    party: "source",
    retryable: error.retryable,
    reported: error.reported,
    cause: error.cause ?? error,
    ...(error.detail !== undefined && { detail: error.detail }),
  });
}
