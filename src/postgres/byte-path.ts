/**
 * Paths below a data directory, with `/` between their parts. They are bytes, as POSIX has them: not always UTF-8, and
 * two of them never the same because they look alike. In the code a path is a string of one character (U+0000 to U+00FF)
 * a byte, so that it can be compared, cut and be a key. It enters by {@link bytePath} and leaves by {@link pathBytes}.
 */

/** The path that these bytes are. */
export function bytePath(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The bytes of a path. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, "latin1");
}

/** A path below `root`, which is an ordinary string, for calls of the file system. */
export function pathBelow(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(path === "" ? root : `${root}/`), pathBytes(path)]);
}

/** Characters of a message that holds a path; the file system takes longer ones than people do. */
const SHOWN = 200;
/** Controls, what cannot be seen or turns the direction of writing, and the two that quoting needs. */
const ESCAPED = /[\p{C}\p{Zl}\p{Zp}"\\]/gu;

/** A path in double quotes as messages show it: what cannot be printed, or is no UTF-8, as `\xNN` a byte. */
export function quotePath(path: string): string {
  const bytes = pathBytes(path);
  const text = bytes.toString("utf8");
  const inHex = (shown: string, encoding: "utf8" | "latin1") =>
    [...Buffer.from(shown, encoding)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  const printable = Buffer.from(text, "utf8").equals(bytes)
    ? text.replace(ESCAPED, (character) => inHex(character, "utf8"))
    : path.replace(/[^ -~]|["\\]/g, (character) => inHex(character, "latin1"));
  return printable.length <= SHOWN ? `"${printable}"` : `"${printable.slice(0, SHOWN)}…"`;
}
