import { UsageError } from "./usage-error.js";

/** What git and others call our commands. */
const SYNONYMS: Readonly<Record<string, string>> = {
  backup: "import",
  checkout: "export",
  clone: "pull",
  dump: "export",
  fetch: "pull",
  remote: "origin",
  restore: "export",
  serve: "start",
  ls: "list",
  remove: "delete",
  rm: "remove",
  mv: "rename",
};

/** The error for a command that is none of `names`. The hint names the one that may be meant. */
export function unknownCommand(word: string, names: readonly string[], parent = ""): UsageError {
  const synonym = Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word] : undefined;
  const near = names.find((name) => name === synonym) ?? names.find((name) => isNear(word, name));
  const list = `\`neon${parent} --help\` lists the commands.`;
  return new UsageError(
    `unknown command: ${`${parent} ${word}`.trim()}`,
    near === undefined ? list : `Did you mean neon${parent} ${near}? ${list}`,
  );
}

/** Whether a word is another one with about a third of its letters wrong, at most. */
function isNear(word: string, name: string): boolean {
  return distance(word, name) <= Math.floor((name.length + 1) / 3);
}

/** How many letters have to be inserted, removed or replaced (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
