/** A line of a configuration file that sets something, or includes another file. */
export interface ConfLine {
  /** In lower case; `include`, `include_dir` and `include_if_exists` look like settings. */
  readonly name: string;
  readonly value: string;
}

const ESCAPES: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

// Whitespace, name, an optional =, and a value: quoted, where '' and \' stand for a quote, or bare.
const LINE =
  /^[ \t\r]*([A-Za-z_\x80-\xff][\w$.\x80-\xff]*)[ \t\r]*=?[ \t\r]*(?:'((?:[^'\\]|\\.|'')*)'|([^\s'#]*))/;

/**
 * Reads a line of postgresql.conf as Postgres does (manual: Setting Parameters via the Configuration File). Undefined
 * for a line without a setting. `line` is latin1 text, so that any bytes survive.
 */
export function parseConfLine(line: string): ConfLine | undefined {
  const match = LINE.exec(line);
  if (match === null) return undefined;
  const [, name, quoted, bare] = match;
  return { name: name.toLowerCase(), value: quoted === undefined ? bare : unquote(quoted) };
}

/** Writes a line that sets `name`. */
export function formatConfLine({ name, value }: ConfLine): string {
  return `${name} = '${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

function unquote(quoted: string): string {
  return quoted.replace(
    /''|\\([0-7]{1,3})|\\(.)/g,
    (_, octal: string | undefined, escaped: string | undefined) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      return escaped === undefined ? "'" : (ESCAPES[escaped] ?? escaped);
    },
  );
}
