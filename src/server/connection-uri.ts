import { NeonError } from "../errors.js";
import { readUriParameters } from "../pgwire/uri-parameters.js";

// userinfo and the rest are cut where libpq cuts them (manual: Connection URIs); a stray @, : or / in a password must be
// percent-encoded there too, and refusing it here is what makes leaving the password out exact.
const URI = /^(postgres(?:ql)?:\/\/)(?:([^\s:@/?#]*)(?::([^\s:@/?#]*))?@)?([^\s@?#]*)(?:\?([^\s@#]*))?$/;
const SECRET_PARAMETERS = /^(?:password|sslpassword|scram_client_key|scram_server_key|oauth_client_secret)$/i;

/** Whether a text is a well-formed connection URI. */
export function isConnectionUri(text: string): boolean {
  return problemOf(text) === undefined;
}

/** What is wrong with a connection URI, without a word of it; "" if nothing more can be said. */
function problemOf(text: string): string | undefined {
  const match = URI.exec(text);
  if (match === null) return "";
  if (!isPercentEncoded(text))
    return ": every % in it has to stand before two hexadecimal digits, %25 for itself";
  const [hosts = ""] = (match[4] ?? "").split("/");
  const ports = hosts.split(",").map((host) => /^(?:\[[^\]]*\]|[^:[\]]*)(?::(\d*))?$/.exec(host));
  if (ports.includes(null)) return ": its port is no number";
  const outside = ports.some((port) => port?.[1] && !(Number(port[1]) >= 1 && Number(port[1]) <= 65535));
  return outside ? ": its port is none from 1 to 65535" : undefined;
}

function isPercentEncoded(text: string): boolean {
  try {
    return !decodeURIComponent(text).includes("\0");
  } catch {
    return false;
  }
}

/**
 * Checks that a text is a connection URI whose parameters can be honoured. Throws 22023, and 0A000 for a parameter that
 * libpq knows and we do not; quotes no value.
 */
export function assertConnectionUri(text: string): void {
  assertWellFormed(text);
  readUriParameters((URI.exec(text) as RegExpExecArray)[5] ?? "");
}

function assertWellFormed(text: string): void {
  const problem = problemOf(text);
  if (problem === undefined) return;
  throw new NeonError("invalid_parameter_value", `the connection URI is not well formed${problem}`, {
    hint: "Write postgresql://user@host:port/; a password stands behind the user and a colon, its special characters as %XX.",
  });
}

/** A connection URI without its passwords, for listings and messages. Throws 22023 unless it is well formed. */
export function withoutPassword(uri: string): string {
  assertWellFormed(uri);
  const [, scheme, user, , host, query] = URI.exec(uri) as RegExpExecArray;
  const parameters = (query ?? "").split("&").filter((part) => part !== "" && !isSecret(part));
  const userinfo = user === undefined ? "" : `${user}@`;
  return `${scheme}${userinfo}${host}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}`;
}

/**
 * A text, such as another program's error message, with what looks like the credentials of a connection URI masked, also
 * where the scheme is missing. Hides too much rather than too little. Takes time in proportion to the text, whatever it is.
 */
export function maskPasswords(text: string): string {
  return text
    .replace(/[^\s"'`]+/g, maskWord)
    .replace(/\b(password|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&"'`]+)/gi, "$1=***");
}

const SCHEME = /postgres(?:ql)?:\/\//i;

/** Masks what stands before the last @ of a word, by hand: expressions that look for it try again at each letter. */
function maskWord(word: string): string {
  const end = word.lastIndexOf("@");
  if (end < 0) return word;
  const [before, rest] = [word.slice(0, end), word.slice(end)];
  const scheme = SCHEME.exec(before);
  if (scheme === null) return before.split("@").map(maskPair).join("@") + rest;
  const begin = scheme.index + scheme[0].length;
  const userinfo = before.slice(begin);
  return before.slice(0, begin) + (/[:@/]/.test(userinfo) ? "***" : userinfo) + rest;
}

/** `user:password` as `user:***`. */
function maskPair(pair: string): string {
  for (let colon = pair.indexOf(":", 1); colon > 0; colon = pair.indexOf(":", colon + 1)) {
    const [before, after] = [pair[colon - 1], pair[colon + 1]];
    if (before !== ":" && before !== "/" && after !== undefined && after !== "/")
      return `${pair.slice(0, colon)}:***`;
  }
  return pair;
}

function isSecret(parameter: string): boolean {
  const name = parameter.split("=", 1)[0] as string;
  try {
    return SECRET_PARAMETERS.test(decodeURIComponent(name));
  } catch {
    return true;
  }
}
