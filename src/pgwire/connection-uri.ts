import { isIP } from "node:net";
import { NeonError } from "../errors.js";
import { readUriParameters } from "./uri-parameters.js";

/** Seconds that a connection has to be idle before the system asks whether the other end is there. */
const KEEP_ALIVE_IDLE = "60";
/** The longest that a timer can take. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A connection URI, taken apart into what pg understands of it and what it does not. */
export interface ConnectionUri {
  /** For pg, with libpq's meaning of sslmode. */
  readonly url: URL;
  readonly sslmode: string;
  /** `dbname`, if it is given. */
  readonly database: string | undefined;
  /** `connect_timeout`, if it is given; 0: none. */
  readonly connectTimeoutMs: number | undefined;
  /** `keepalives` and `keepalives_idle`; undefined: off, 0: as the system does. */
  readonly keepAliveMs: number | undefined;
}

/** Reads a connection URI. Throws 22023, and 0A000 for parameters that libpq knows and we do not; quotes no password. */
export function parseUri(uri: string): ConnectionUri {
  const bad = (why: string) =>
    new NeonError("invalid_parameter_value", `the connection URI cannot be used: ${why}`, {
      hint: "A connection URI is written as postgresql://user@host:5432/database.",
    });
  if (!/^postgres(ql)?:\/\//.test(uri)) throw bad("it does not begin with postgresql://");
  const url = parseWithOptionalHost(uri);
  if (url === undefined) throw bad("it is malformed");
  const parameters = readUriParameters(url.search.slice(1));
  const take = (name: string) => {
    const value = parameters.get(name);
    parameters.delete(name);
    return value;
  };
  const host = parameters.get("host") || decodeURIComponent(url.hostname);
  const mode =
    (take("ssl") && "require") ||
    take("sslmode") ||
    process.env.PGSSLMODE ||
    (isNear(host) ? "disable" : "prefer");
  if (!SSL_MODES.has(mode)) throw bad(`"${mode}" is no sslmode`);
  const sslmode = mode === "allow" ? "prefer" : mode;
  const database = take("dbname");
  const connectTimeout = take("connect_timeout");
  const keepAlives = Number(take("keepalives") ?? 1) !== 0;
  const keepAliveIdle = take("keepalives_idle") ?? KEEP_ALIVE_IDLE;
  url.search = new URLSearchParams([...parameters]).toString();
  url.searchParams.set("sslmode", sslmode);
  if (sslmode !== "no-verify") url.searchParams.set("uselibpqcompat", "true");
  return {
    url,
    sslmode,
    database,
    connectTimeoutMs: connectTimeout === undefined ? undefined : milliseconds(connectTimeout),
    keepAliveMs: keepAlives ? milliseconds(keepAliveIdle) : undefined,
  };
}

/** As libpq: not above 0 is none, and so is what no timer can take. */
function milliseconds(seconds: string): number {
  const ms = Number(seconds) * 1000;
  return ms > 0 && ms <= MAX_TIMER_MS ? ms : 0;
}

const SSL_MODES = new Set(["disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify"]);

/** `postgresql://user@/db?host=/run` has a user and no host, which libpq takes and the URL standard does not. */
function parseWithOptionalHost(uri: string): URL | undefined {
  for (const candidate of [uri, uri.replace("@/", "@localhost/"), uri.replace(/:\/\/:/, "://localhost:")]) {
    if (URL.canParse(candidate)) return new URL(candidate);
  }
  return undefined;
}

/** On one machine TLS protects nothing and costs half of the speed. */
function isNear(host: string): boolean {
  return (
    host === "" ||
    host === "localhost" ||
    host.startsWith("/") ||
    host === "[::1]" ||
    (isIP(host) === 4 && host.startsWith("127."))
  );
}
