import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { isGroup } from "../src/cli/command.js";
import { resolveCommand } from "../src/cli/commands.js";
import { GLOBAL_OPTIONS } from "../src/cli/global-arguments.js";
import { commandName } from "../src/server/command/commands.js";
import { listFiles } from "./support/list-files.js";

/** What docs may name, as it is in the repository. */
interface Names {
  readonly scripts: ReadonlySet<string>;
  readonly serverCommands: ReadonlySet<string>;
}

/** Checks that the commands and files that README.md and docs/ name in code spans, code blocks and links exist. */
export function checkDocs(root: string, service: DescService): string[] {
  const names: Names = {
    scripts: new Set(Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts)),
    serverCommands: new Set(service.methods.map(commandName)),
  };
  const documents = ["README.md", ...listFiles(join(root, "docs"), ".md").map((file) => `docs/${file}`)];
  return documents.flatMap((document) => {
    const text = readFileSync(join(root, document), "utf8");
    const violations = [
      ...codeIn(text).flatMap((code) => [...checkCommands(code, names), ...checkPath(root, code)]),
      ...checkLinks(join(root, dirname(document)), text),
    ];
    return [...new Set(violations)].map((violation) => `${document}: ${violation}`);
  });
}

/** The code spans and the lines of the code blocks (fenced, or indented by four). */
function codeIn(text: string): string[] {
  const fenced = [...text.matchAll(/^```.*\n([\s\S]*?)^```/gm)].flatMap((match) =>
    (match[1] ?? "").split("\n"),
  );
  const prose = text.replace(/^```.*\n[\s\S]*?^```/gm, "");
  const indented = [...prose.matchAll(/^ {4}(.*)$/gm)].map((match) => match[1] ?? "");
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
  return [...fenced, ...indented, ...spans].map((line) => line.trim()).filter((line) => line !== "");
}

function checkCommands(code: string, names: Names): string[] {
  const violations: string[] = [];
  for (const [, script] of code.matchAll(/\bnpm run ([a-z][\w:-]*)/g)) {
    if (!names.scripts.has(script ?? "")) violations.push(`no script \`npm run ${script}\` in package.json`);
  }
  for (const [, command] of code.matchAll(/-c\s+['"]?([a-z]+_[a-z_]+)/g)) {
    if (!names.serverCommands.has(command ?? "")) violations.push(`no command \`${command}\` in the schema`);
  }
  const neon = /^(?:\$ |npx )?neon(?: -C \S+)? ([a-z][^#]*)/.exec(code);
  return neon === null ? violations : [...violations, ...checkNeon((neon[1] as string).trim().split(/\s+/))];
}

/** Checks the words of a command line of `neon`, as far as they name a command and its options. */
function checkNeon(words: readonly string[]): string[] {
  const { entry } = resolveCommand(words);
  if (entry === undefined) return [`no command \`neon ${words[0]}\` in src/cli/commands.ts`];
  const command = isGroup(entry) ? entry.otherwise : entry;
  const options = new Set(Object.keys({ ...GLOBAL_OPTIONS, ...command.options }));
  return words
    .map((word) => /^--([a-z-]+)/.exec(word)?.[1])
    .filter((option) => option !== undefined && !options.has(option))
    .map((option) => `no option \`--${option}\` of \`neon ${words[0]}\``);
}

const CHECKED_FOLDERS = ["src", "proto", "gen", "docs", "scripts", "test", ".ci"];

function checkPath(root: string, code: string): string[] {
  const isPath = /^[\w.-]+(\/[\w.-]+)*\/?$/.test(code);
  if (!isPath || !CHECKED_FOLDERS.includes(code.split("/")[0] ?? "") || !code.includes("/")) return [];
  return existsSync(join(root, code)) ? [] : [`no file \`${code}\``];
}

function checkLinks(directory: string, text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)].flatMap(([, target = ""]) => {
    const local = !/^[a-z]+:/.test(target);
    return local && !existsSync(join(directory, target))
      ? [`link to \`${target}\`, which does not exist`]
      : [];
  });
}
