/** The manual page, made of the same table as `--help` (manual: man(7)). */
import { VERSION } from "../version.js";
import type { Command, Option } from "./command.js";
import { isGroup, sentence } from "./command.js";
import { COMMANDS, SECTIONS } from "./commands.js";
import { GLOBAL_OPTIONS, PROGRAM_OPTIONS } from "./global-arguments.js";
import { optionTerm, PROGRAM_SUMMARY, usage } from "./help.js";

const EXIT_STATUS: Record<string, string> = {
  "0": "Success. Also a following command that a signal ended, once what it followed has shown that it has the branch's history.",
  "1": "Refused or failed. Also neon verify where anything is bad, and neon status where no page server is running.",
  "2": "A wrong command line.",
  "129, 130, 143": "Canceled by SIGHUP, SIGINT or SIGTERM.",
};

const FILES: Record<string, string> = {
  ".neon": "The repository: found in the working directory or above it.",
  ".neon/config.toml": "Where the page server listens, the origins and the users.",
  ".neon/log": "The page server's log, a JSON object a line.",
  ".neon/socket": "Where the page server answers its owner without a password.",
};

const ENVIRONMENT: Record<string, string> = {
  "PGPASSWORD, PGPASSFILE":
    "The password for other servers, or the file of passwords (~/.pgpass unless set), of the process that connects.",
  NEON_DEBUG: "1 prints a stack trace with every error.",
};

const EXAMPLES: Record<string, string> = {
  "neon init && neon start": "Make a repository in this directory and start its page server.",
  "neon import main postgresql://postgres@localhost:5432/": "Make a branch of a running Postgres.",
  "neon origin add cloud postgresql://db.example.com:6400/": "Give another page server a name.",
  "neon push main cloud": "Send it what it lacks of the branch.",
  "neon export main ./pgdata": "Write the branch as a data directory that Postgres starts on.",
};

/** Writes the page, in roff. */
export function formatManual(): string {
  return [
    `.TH NEON 1 "" "neon ${roff(VERSION)}" "User Commands"`,
    ".SH NAME",
    `neon, neon\\-push\\-pull \\- ${roff(PROGRAM_SUMMARY.replace(/^B/, "b").replace(/\.$/, ""))}`,
    ".SH SYNOPSIS",
    ".B neon",
    roff("[-C DIR] [--json] command [options]"),
    ".SH DESCRIPTION",
    roff(
      "A page server keeps branches of whole Postgres clusters, as an unmodified, running Postgres gave them. Branches are pushed to and pulled from other page servers, which takes only what the other side lacks, and exported to data directories that a stock Postgres of the same major version starts on.",
    ),
    ...SECTIONS.flatMap(({ title, entries }) => [
      `.SH ${roff(title.toUpperCase())}`,
      ...entries.flatMap((entry) =>
        isGroup(entry)
          ? entry.commands.flatMap((command) => describeCommand([entry.name, command.name], command))
          : describeCommand([entry.name], entry),
      ),
    ]),
    ".SH OPTIONS OF EVERY COMMAND",
    ...options({ ...GLOBAL_OPTIONS, ...PROGRAM_OPTIONS }),
    ".SH EXIT STATUS",
    ...definitions(EXIT_STATUS),
    ".SH FILES",
    ...definitions(FILES),
    ".SH ENVIRONMENT",
    ...definitions(ENVIRONMENT),
    ".SH EXAMPLES",
    ...definitions(EXAMPLES),
    ".SH SEE ALSO",
    ".BR psql (1),",
    ".BR pg_basebackup (1)",
    "",
  ].join("\n");
}

function describeCommand(words: readonly string[], command: Command): string[] {
  const group = COMMANDS.find((entry) => isGroup(entry) && entry.name === words[0]);
  const alone = group !== undefined && isGroup(group) && group.otherwise === command;
  const terms = Object.entries(command.arguments).map(([name, { describe }]) => term(name, describe));
  return [
    `.SS ${roff(usage(words, command))}`,
    roff(sentence(command)),
    ...(alone ? [roff(`neon ${words[0]} alone does so too.`)] : []),
    ...terms.flat(),
    ...options(command.options),
    ...(command.notes === undefined ? [] : [".PP", roff(command.notes)]),
  ];
}

function options(table: Readonly<Record<string, Option>>): string[] {
  return Object.entries(table).flatMap(([name, option]) => term(optionTerm(name, option), option.describe));
}

function definitions(table: Readonly<Record<string, string>>): string[] {
  return Object.entries(table).flatMap(([name, text]) => term(name, text));
}

function term(name: string, text: string): string[] {
  return [".TP", `.B ${roff(name)}`, roff(text)];
}

/** A text in which roff finds nothing to interpret. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/, "\\&")
    .replaceAll('"', "\\(dq");
}
