import { type Command, type Group, isGroup } from "./command.js";
import { branchCreateCommand } from "./commands/branch-create.js";
import { branchDeleteCommand } from "./commands/branch-delete.js";
import { branchListCommand } from "./commands/branch-list.js";
import { branchRenameCommand } from "./commands/branch-rename.js";
import { branchShowCommand } from "./commands/branch-show.js";
import { completionCommand } from "./commands/completion.js";
import { exportCommand } from "./commands/export.js";
import { gcCommand } from "./commands/gc.js";
import { helpCommand } from "./commands/help.js";
import { importCommand } from "./commands/import.js";
import { initCommand } from "./commands/init.js";
import { logCommand } from "./commands/log.js";
import { originAddCommand } from "./commands/origin-add.js";
import { originListCommand } from "./commands/origin-list.js";
import { originRemoveCommand } from "./commands/origin-remove.js";
import { pullCommand } from "./commands/pull.js";
import { pushCommand } from "./commands/push.js";
import { repairCommand } from "./commands/repair.js";
import { slotDropCommand } from "./commands/slot-drop.js";
import { slotListCommand } from "./commands/slot-list.js";
import { startCommand } from "./commands/start.js";
import { statusCommand } from "./commands/status.js";
import { stopCommand } from "./commands/stop.js";
import { userAddCommand } from "./commands/user-add.js";
import { userListCommand } from "./commands/user-list.js";
import { userRemoveCommand } from "./commands/user-remove.js";
import { verifyCommand } from "./commands/verify.js";
import { versionCommand } from "./commands/version.js";

/** Commands that are shown together. */
export interface Section {
  readonly title: string;
  readonly entries: readonly (Command | Group)[];
}

const branch: Group = {
  name: "branch",
  summary: "List, show, create, rename and delete branches",
  commands: [
    branchListCommand,
    branchShowCommand,
    branchCreateCommand,
    branchRenameCommand,
    branchDeleteCommand,
  ],
  otherwise: branchListCommand,
};

const origin: Group = {
  name: "origin",
  summary: "Name other page servers: add, list, remove",
  commands: [originAddCommand, originListCommand, originRemoveCommand],
  otherwise: originListCommand,
};

const slot: Group = {
  name: "slot",
  summary: "The replication slots on imported servers: list, drop",
  commands: [slotListCommand, slotDropCommand],
  otherwise: slotListCommand,
};

const user: Group = {
  name: "user",
  summary: "Let users in by password: add, list, remove",
  commands: [userAddCommand, userListCommand, userRemoveCommand],
  otherwise: userListCommand,
};

/** Every command, as `neon --help` shows them. The parser, the man page and shell completion know no others. */
export const SECTIONS: readonly Section[] = [
  {
    title: "A repository and its page server",
    entries: [initCommand, startCommand, stopCommand, statusCommand],
  },
  { title: "From Postgres and back", entries: [importCommand, exportCommand, slot] },
  { title: "Branches", entries: [branch, logCommand, verifyCommand, gcCommand, repairCommand] },
  { title: "Other page servers", entries: [pushCommand, pullCommand, origin, user] },
  { title: "This program", entries: [helpCommand, versionCommand, completionCommand] },
];

/** All of them in one list. */
export const COMMANDS: readonly (Command | Group)[] = SECTIONS.flatMap(({ entries }) => entries);

/** A command with the words that name it: `["branch", "list"]`. */
export interface NamedCommand {
  readonly words: readonly string[];
  readonly command: Command;
}

/** Every single command, those of groups too. */
export function listCommands(): NamedCommand[] {
  return COMMANDS.flatMap((entry) =>
    isGroup(entry)
      ? entry.commands.map((command) => ({ words: [entry.name, command.name], command }))
      : [{ words: [entry.name], command: entry }],
  );
}

/** The command or group that words name, as far as they name one, and those words; undefined for the program itself. */
export function resolveCommand(words: readonly string[]): {
  entry: Command | Group | undefined;
  named: readonly string[];
} {
  const entry = COMMANDS.find(({ name }) => name === words[0]);
  if (entry === undefined) return { entry, named: [] };
  const inner = isGroup(entry) ? entry.commands.find(({ name }) => name === words[1]) : undefined;
  return inner === undefined
    ? { entry, named: [entry.name] }
    : { entry: inner, named: [entry.name, inner.name] };
}
