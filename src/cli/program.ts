import yargs, { type CommandModule } from "yargs";
import { VERSION } from "../version.js";
import { changeDirectory } from "./change-directory.js";
import { branchCreateCommand } from "./commands/branch-create.js";
import { branchDeleteCommand } from "./commands/branch-delete.js";
import { branchListCommand } from "./commands/branch-list.js";
import { branchRenameCommand } from "./commands/branch-rename.js";
import { branchShowCommand } from "./commands/branch-show.js";
import { exportCommand } from "./commands/export.js";
import { gcCommand } from "./commands/gc.js";
import { importCommand } from "./commands/import.js";
import { initCommand } from "./commands/init.js";
import { logCommand } from "./commands/log.js";
import { originAddCommand } from "./commands/origin-add.js";
import { originListCommand } from "./commands/origin-list.js";
import { originRemoveCommand } from "./commands/origin-remove.js";
import { pullCommand } from "./commands/pull.js";
import { pushCommand } from "./commands/push.js";
import { startCommand } from "./commands/start.js";
import { statusCommand } from "./commands/status.js";
import { stopCommand } from "./commands/stop.js";
import { userAddCommand } from "./commands/user-add.js";
import { userListCommand } from "./commands/user-list.js";
import { userRemoveCommand } from "./commands/user-remove.js";
import { verifyCommand } from "./commands/verify.js";
import { assertFlags, markOperands, unmark, unmarkOperands } from "./operands.js";
import { unknownCommand } from "./unknown-command.js";
import { UsageError } from "./usage-error.js";

// A plural form is an object; the types know texts only.
/** yargs's messages in the style of ours. */
const MESSAGES = {
  "Not enough non-option arguments: got %s, need at least %s": {
    one: "too few arguments: %s given, %s needed",
    other: "too few arguments: %s given, %s needed",
  },
  "Too many non-option arguments: got %s, maximum of %s": {
    one: "too many arguments: %s given, at most %s possible",
    other: "too many arguments: %s given, at most %s possible",
  },
  "Unknown argument: %s": { one: "unknown argument: %s", other: "unknown arguments: %s" },
  "Unknown command: %s": { one: "unknown command: %s", other: "unknown commands: %s" },
  "Not enough arguments following: %s": "option %s needs a value",
} as Record<string, unknown> as Record<string, string>;

const COMMANDS = "init start stop status import export pull push branch log verify gc origin user".split(" ");
const SUBCOMMANDS = {
  branch: ["list", "show", "create", "rename", "delete"],
  origin: ["add", "list", "remove"],
  user: ["add", "list", "remove"],
};

/** What yargs runs where no other command of `parent` is named: yargs's own error does not say which word it means. */
function otherwise(names: readonly string[], parent?: string): CommandModule<object, { word?: string }> {
  return {
    command: "$0 [word] [rest..]",
    describe: false,
    handler: ({ word }) => {
      if (word !== undefined) throw unknownCommand(word, names, parent && ` ${parent}`);
      throw new UsageError(
        parent === undefined ? "no command given" : `${parent} needs one of: ${names.join(", ")}`,
      );
    },
  };
}

/**
 * Runs the command line `words` (without the program's name) and resolves when its result is printed.
 *
 * Throws UsageError for words that are no command, and whatever the command throws.
 */
export async function run(words: string[]): Promise<void> {
  const program = yargs(markOperands(words))
    .scriptName("neon")
    .usage("$0 <command>\n\nBranches of stock PostgreSQL that can be pushed and pulled.")
    .option("C", {
      type: "string",
      requiresArg: true,
      global: true,
      describe: "Run as if started in this directory",
      coerce: (directory: string) => directory,
    })
    .option("json", {
      type: "boolean",
      global: true,
      default: false,
      describe: "Print results and errors as JSON",
    })
    .middleware((args) => {
      unmarkOperands(args);
      assertFlags(words, args);
      changeDirectory(args.C as string | undefined);
    })
    .command(initCommand)
    .command(startCommand)
    .command(stopCommand)
    .command(statusCommand)
    .command(importCommand)
    .command(exportCommand)
    .command(pullCommand)
    .command(pushCommand)
    .command("branch", "Work with branches: list, show, create, rename, delete", (branch) =>
      branch
        .command(branchListCommand)
        .command(branchShowCommand)
        .command(branchCreateCommand)
        .command(branchRenameCommand)
        .command(branchDeleteCommand)
        .command(otherwise(SUBCOMMANDS.branch, "branch")),
    )
    .command(logCommand)
    .command(verifyCommand)
    .command(gcCommand)
    .command("origin", "Name other page servers: add, list, remove", (origin) =>
      origin
        .command(originAddCommand)
        .command(originListCommand)
        .command(originRemoveCommand)
        .command(otherwise(SUBCOMMANDS.origin, "origin")),
    )
    .command("user", "Let users in by password: add, list, remove", (user) =>
      user
        .command(userAddCommand)
        .command(userListCommand)
        .command(userRemoveCommand)
        .command(otherwise(SUBCOMMANDS.user, "user")),
    )
    .command(otherwise(COMMANDS))
    .version(VERSION)
    .help()
    .alias("help", "h")
    .strict()
    // Names and URIs are text, also when they look like numbers or paths into objects; messages are English everywhere.
    .parserConfiguration({
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "dot-notation": false,
      "boolean-negation": false,
      "duplicate-arguments-array": false,
    })
    .detectLocale(false)
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .exitProcess(false)
    .updateStrings(MESSAGES)
    .fail((message, error) => {
      // yargs throws errors of its own for a few wrong command lines, and hands over messages for the others.
      throw error === undefined || error.name === "YError"
        ? new UsageError(unmark(message ?? error?.message ?? ""))
        : error;
    });
  await program.parseAsync();
}
