import { NeonError } from "../errors.js";

/** Longest branch name, in bytes of UTF-8: it has to fit an LMDB key with room to spare. */
const MAX_BYTES = 255;

const FORBIDDEN: [RegExp, string][] = [
  [/^$/, "is empty"],
  [/[\p{Cc} ]/u, "holds a space or a control character"],
  [/[~^:?*[\\]/, "holds one of ~ ^ : ? * [ \\"],
  [/\.\./, 'holds ".."'],
  [/@\{/, 'holds "@{"'],
  [/^@$/, 'is "@"'],
  [/^-/, "begins with a dash"],
  [/^\/|\/$|\/\//, "has an empty part between slashes"],
  [/(^|\/)\./, "has a part that begins with a dot"],
  [/\.$/, "ends with a dot"],
  [/\.lock(\/|$)/, 'has a part that ends with ".lock"'],
];

/** Throws 42602 unless `name` keeps git's ref rules (git check-ref-format --branch). */
export function assertBranchName(name: string): void {
  const reason =
    Buffer.byteLength(name) > MAX_BYTES
      ? `is longer than ${MAX_BYTES} bytes`
      : FORBIDDEN.find(([pattern]) => pattern.test(name))?.[1];
  if (reason !== undefined) {
    const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name;
    throw new NeonError("invalid_name", `"${shown}" is not a branch name: it ${reason}`, {
      hint: "Branch names follow the rules of git check-ref-format.",
    });
  }
}
