import { NeonError } from "../errors.js";

/** What may stand behind the question mark of a connection URI, with the values that are taken; undefined: any. */
const PARAMETERS: Readonly<Record<string, RegExp | undefined>> = {
  host: /^[^,]*$/,
  port: /^\d*$/,
  user: undefined,
  password: undefined,
  dbname: undefined,
  application_name: undefined,
  fallback_application_name: undefined,
  options: undefined,
  connect_timeout: /^\s*-?\d+\s*$/,
  keepalives: /^\s*-?\d+\s*$/,
  keepalives_idle: /^\s*-?\d+\s*$/,
  ssl: /^true$/,
  sslmode: undefined,
  sslnegotiation: /^(postgres|direct)$/,
  sslcert: undefined,
  sslkey: undefined,
  sslrootcert: undefined,
  // These ask for nothing with the values that are taken.
  channel_binding: /^(disable|prefer)$/,
  gssencmode: /^(disable|prefer)$/,
  load_balance_hosts: /^disable$/,
  target_session_attrs: /^any$/,
};

/** libpq's others (manual: Parameter Key Words), which nothing here could honour. */
const UNSUPPORTED = new Set(
  `client_encoding gssdelegation gsslib hostaddr keepalives_count keepalives_interval krbsrvname max_protocol_version
  min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope passfile replication require_auth
  requirepeer requiressl scram_client_key scram_server_key service servicefile ssl_max_protocol_version
  ssl_min_protocol_version sslcertmode sslcompression sslcrl sslcrldir sslkeylogfile sslpassword sslsni
  tcp_user_timeout`.split(/\s+/),
);

/**
 * Reads the parameters of a connection URI, all behind its question mark, as libpq does: of two with one name the last
 * counts, and `+` is no space. Throws 22023 for a name that libpq does not know and for a value that is not taken, 0A000
 * for what libpq knows and we do not. Texts of errors hold no value.
 */
export function readUriParameters(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  let previous: string | undefined;
  for (const part of query === "" ? [] : query.split("&")) {
    const equals = part.indexOf("=");
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? undefined : decode(part.slice(equals + 1));
    // What follows a password that holds an & is a piece of it.
    const shown = name !== undefined && value !== undefined && previous !== "password" ? `: "${name}"` : "";
    if (name !== undefined && UNSUPPORTED.has(name)) {
      throw new NeonError("feature_not_supported", `the URI query parameter "${name}" is not supported`, {
        hint: HINT,
      });
    }
    if (name === undefined || value === undefined || !Object.hasOwn(PARAMETERS, name)) {
      throw invalid(`invalid URI query parameter${shown}`);
    }
    if (PARAMETERS[name]?.test(value) === false)
      throw invalid(`this value of the URI query parameter "${name}" is not supported`);
    parameters.set(name, value);
    previous = name;
  }
  return parameters;
}

const HINT = `These are taken: ${Object.keys(PARAMETERS).join(", ")}.`;

function invalid(text: string): NeonError {
  return new NeonError("invalid_parameter_value", text, { hint: HINT });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
