import { nearestName } from "../nearest-name.js";
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
export function unknownCommand(word: string, names: readonly string[], group?: string): UsageError {
  const synonym = Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word] : undefined;
  const near = names.find((name) => name === synonym) ?? nearestName(word, names);
  const path = group === undefined ? "neon" : `neon ${group}`;
  const list = `\`${path} --help\` lists the commands.`;
  return new UsageError(
    `unknown command: ${group === undefined ? word : `${group} ${word}`}`,
    near === undefined ? list : `Did you mean ${path} ${near}? ${list}`,
  );
}

/** The error for an option that is none of `spellings`, at the command that `path` names. */
export function unknownOption(
  option: string,
  spellings: readonly string[],
  path: readonly string[],
): UsageError {
  const near = nearestName(`--${option.replace(/^-+/, "")}`, spellings);
  const list = `\`${["neon", ...path, "--help"].join(" ")}\` lists the options.`;
  return new UsageError(
    `unknown option: ${option}`,
    near === undefined ? list : `Did you mean ${near}? ${list}`,
  );
}
