import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { bootstrapSuperuser } from "./bootstrap-superuser.js";
import { type ClientAuthentication, clientAuthentication } from "./client-authentication.js";
import { type ConfFiles, readConfFiles } from "./conf-files.js";
import { type ConfLine, formatConfLine, parseConfLine } from "./conf-line.js";
import { configurationNotes, type TakenOut } from "./configuration-notes.js";
import { gatherFacts } from "./gather-facts.js";
import { TAKEN_OUT, withBlock, withoutBlock } from "./marked-block.js";
import type { RecoveryNeeds } from "./recovery-needs.js";
import { refusedSettings } from "./refused-settings.js";
import { TREATED_SETTINGS, treatedSetting } from "./settings-table.js";
import { type ExportFacts, stays, type TreatedSetting, valueToSet } from "./treated-setting.js";

/** What {@link writeConfiguration} is told. */
export interface ConfigurationOptions {
  readonly majorVersion: number;
  readonly needs: RecoveryNeeds;
  /** Whether the cluster has tablespaces, or its WAL makes some. */
  readonly hasTablespaces: boolean;
  /** Leave all settings but those that recovery depends on. */
  readonly keepConfig: boolean;
  /** Where this host has the programs of that Postgres, if it has. */
  readonly binaries: string | undefined;
  /** Bytes of memory and of free disk that there are to be; unless given, those of this host. */
  readonly memoryBytes?: number;
  readonly freeDiskBytes?: number;
}

/** A configuration as it was written. */
export interface WrittenConfiguration {
  /** What was changed, in words. They never hold a setting's value that the source gave: it may be a password. */
  readonly notes: string[];
  /** The port that was chosen: free here. */
  readonly port: number;
  /** The role to log in as. */
  readonly role: string;
}

/**
 * Each round of asking Postgres takes out what it complains of: it names what it cannot read first, then what it does
 * not know, then the values it refuses.
 */
const ROUNDS_OF_REFUSALS = 6;

/**
 * Makes the configuration in the data directory `root` one that recovers up to the head, reaches nobody and is reached
 * by its owner only, and that this host can carry: {@link TREATED_SETTINGS} and {@link clientAuthentication}.
 */
export async function writeConfiguration(
  root: string,
  options: ConfigurationOptions,
): Promise<WrittenConfiguration> {
  const { keepConfig } = options;
  const conf = await readConfFiles(root);
  const hadConfiguration = conf.files.some(({ path }) => path === "postgresql.conf");
  const source = settingsOf(conf);
  const facts = await gatherFacts(root, options, source);
  const takenOut = takeOut(conf, facts, keepConfig);
  const set = settingsToSet(facts, keepConfig);
  await writeFiles(root, conf, set);
  const refused = await takeOutRefused(root, conf, set, options);
  const authentication = await writeAuthentication(root, keepConfig);
  const role = await bootstrapSuperuser(root);
  const notes = configurationNotes({
    facts,
    keepConfig,
    hadConfiguration,
    source,
    set,
    takenOut,
    refused,
    authentication,
  });
  return { notes, port: facts.port, role };
}

function settingsOf({ files }: ConfFiles): ConfLine[] {
  return files.flatMap(({ lines }) => lines.map(parseConfLine).filter((setting) => setting !== undefined));
}

function isTreated({ group }: TreatedSetting, keepConfig: boolean): boolean {
  return group === "recovery" || !keepConfig;
}

function takeOut(conf: ConfFiles, facts: ExportFacts, keepConfig: boolean): TakenOut[] {
  const takenOut: TakenOut[] = [];
  if (!keepConfig) {
    for (const { file, line } of conf.strayIncludes) {
      takenOut.push({ path: file.path, name: "include", group: "path" });
      file.lines[line] = TAKEN_OUT + file.lines[line];
    }
  }
  for (const { path, lines } of conf.files) {
    for (const [i, line] of lines.entries()) {
      const parsed = parseConfLine(line);
      const setting = parsed && treatedSetting(parsed.name);
      if (parsed === undefined || setting === undefined || !isTreated(setting, keepConfig)) continue;
      if (stays(setting, parsed.value, facts)) continue;
      lines[i] = TAKEN_OUT + line;
      takenOut.push({ path, name: setting.name, group: setting.group });
    }
  }
  return takenOut;
}

/** What export sets, by file. What recovery depends on stands where it wins over every postgresql.conf. */
function settingsToSet(facts: ExportFacts, keepConfig: boolean): Map<string, ConfLine[]> {
  const auto: ConfLine[] = [];
  const main: ConfLine[] = [];
  for (const setting of TREATED_SETTINGS) {
    const value = isTreated(setting, keepConfig) ? valueToSet(setting, facts) : undefined;
    if (value === undefined) continue;
    // The owner is let in without a password because the socket is his alone: that too has to hold in any case.
    const always = setting.group === "recovery" || setting.name === "unix_socket_permissions";
    (always ? auto : main).push({ name: setting.name, value });
  }
  return new Map([
    ["postgresql.conf", main],
    ["postgresql.auto.conf", auto],
  ]);
}

async function writeFiles(root: string, conf: ConfFiles, set: Map<string, ConfLine[]>): Promise<void> {
  for (const path of set.keys()) {
    if (!conf.files.some((file) => file.path === path)) conf.files.push({ path, lines: [""] });
  }
  for (const { path, lines } of conf.files) {
    const block = set.get(path)?.map(formatConfLine) ?? [];
    await write(root, path, block.length > 0 ? withBlock(lines, block, "bottom") : lines);
  }
  await write(root, "recovery.signal", []);
}

/** Takes out what this host's Postgres would not start with; says what stays there of it. */
async function takeOutRefused(
  root: string,
  conf: ConfFiles,
  set: Map<string, ConfLine[]>,
  { binaries, keepConfig }: ConfigurationOptions,
): Promise<string[]> {
  const names = new Set<string>();
  for (let round = 0; binaries !== undefined && round < ROUNDS_OF_REFUSALS; round++) {
    const refusal = await refusedSettings(root, binaries);
    if (refusal === undefined) break;
    let changed = false;
    for (const { path, lines } of conf.files) {
      for (const [i, line] of lines.entries()) {
        const name = parseConfLine(line)?.name;
        const named = name !== undefined && refusal.settings.includes(name);
        if (!named && !refusal.lines.some((at) => at.path === path && at.line === i + 1)) continue;
        names.add(name ?? `${path}:${i + 1}`);
        if (keepConfig) continue;
        lines[i] = TAKEN_OUT + line;
        changed = true;
      }
    }
    if (!changed) break;
    await writeFiles(root, conf, set);
  }
  return [...names];
}

async function writeAuthentication(
  root: string,
  keepConfig: boolean,
): Promise<ClientAuthentication | undefined> {
  const [hba, ident] = await Promise.all([readConf(root, "pg_hba.conf"), readConf(root, "pg_ident.conf")]);
  if (ident === undefined)
    await write(root, "pg_ident.conf", ["# MAPNAME  SYSTEM-USERNAME  PG-USERNAME", ""]);
  if (keepConfig) {
    // The socket may be open to all: nobody is let in without more, and the lines of an earlier export do not stay.
    const lines = hba === undefined ? ["local all all peer", ""] : withoutBlock(hba.split("\n"));
    await write(root, "pg_hba.conf", lines);
    return undefined;
  }
  const authentication = await clientAuthentication(hba, root);
  await write(root, "pg_hba.conf", authentication.lines);
  return authentication;
}

async function readConf(root: string, path: string): Promise<string | undefined> {
  return readFile(join(root, path), "latin1").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

async function write(root: string, path: string, lines: readonly string[]): Promise<void> {
  const file = await open(join(root, path), "w", 0o600);
  try {
    await file.writeFile(lines.join("\n"), "latin1");
  } finally {
    await file.close();
  }
}
