import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { type ConfFiles, readConfFiles } from "./conf-files.js";
import { type ConfLine, parseConfLine } from "./conf-line.js";
import { HostSettings } from "./host-settings.js";
import { type RecoverySettingsOptions, recoverySettings, withRecoverySettings } from "./recovery-settings.js";

const TAKEN_OUT = "# taken out by neon export: ";

const MINIMAL_FILES: Record<string, { content: string; note: string }> = {
  "postgresql.conf": {
    content:
      "# The source keeps its configuration outside its data directory: every setting has its default.\n",
    note: "the source keeps postgresql.conf outside its data directory: the exported one has defaults only",
  },
  "pg_hba.conf": {
    content: [
      "# TYPE  DATABASE        USER            ADDRESS                 METHOD",
      "local   all             all                                     peer",
      "host    all             all             127.0.0.1/32            scram-sha-256",
      "host    all             all             ::1/128                 scram-sha-256",
      "",
    ].join("\n"),
    note: "the source keeps pg_hba.conf outside its data directory: the exported one lets in the same OS user (peer) and passwords from this host",
  },
  "pg_ident.conf": {
    content: "# MAPNAME       SYSTEM-USERNAME         PG-USERNAME\n",
    note: "the source keeps pg_ident.conf outside its data directory: the exported one is empty",
  },
};

/**
 * Makes the configuration in the data directory `root` one that recovers up to the head and touches nothing of the
 * source: see {@link recoverySettings} and {@link HostSettings}.
 *
 * Returns what was changed, in words. They never hold a setting's value: it may be a password.
 */
export async function writeConfiguration(root: string, options: RecoverySettingsOptions): Promise<string[]> {
  const conf = await readConfFiles(root);
  const source = settingsOf(conf);
  const notes = takeOut(conf, new HostSettings(source, options.keepConfig), options.keepConfig);
  const added = recoverySettings(options);
  notes.push(...describe(source, added));

  const auto = conf.files.find(({ path }) => path === "postgresql.auto.conf");
  for (const { path, lines } of conf.files) if (path !== auto?.path) await write(root, path, lines);
  await write(root, "postgresql.auto.conf", withRecoverySettings(auto?.lines ?? [], added));
  await write(root, "recovery.signal", []);
  for (const [path, { content, note }] of Object.entries(MINIMAL_FILES)) {
    if (await exists(join(root, path))) continue;
    await write(root, path, content.split("\n"));
    notes.push(note);
  }
  return notes;
}

function settingsOf({ files }: ConfFiles): ConfLine[] {
  return files.flatMap(({ lines }) => lines.map(parseConfLine).filter((setting) => setting !== undefined));
}

function takeOut(conf: ConfFiles, host: HostSettings, keepConfig: boolean): string[] {
  const notes: string[] = [];
  for (const { path, lines } of conf.files) {
    for (const [i, line] of lines.entries()) {
      const setting = parseConfLine(line);
      if (setting === undefined || !host.isTakenOut(setting)) continue;
      lines[i] = TAKEN_OUT + line;
      notes.push(`${path}: ${setting.name} was taken out`);
    }
  }
  if (keepConfig) return notes;
  for (const { file, line } of conf.strayIncludes) {
    file.lines[line] = TAKEN_OUT + file.lines[line];
    notes.push(
      `${file.path}: line ${line + 1}, which includes a file that is not in the data directory, was taken out`,
    );
  }
  return notes;
}

/** Names the source's settings that the added ones change. */
function describe(source: readonly ConfLine[], added: readonly ConfLine[]): string[] {
  const before = new Map(source.map(({ name, value }) => [name, value]));
  const changed = added.filter(({ name, value }) => before.has(name) && before.get(name) !== value);
  const cleared = changed.filter(({ value }) => value === "").map(({ name }) => name);
  const set = changed.filter(({ value }) => value !== "").map(({ name, value }) => `${name} = ${value}`);
  const notes = [
    "postgresql.auto.conf: ends with the settings of this export; recovery.signal lets recovery end at the head",
  ];
  if (cleared.length > 0) notes.push(`cleared: ${cleared.join(", ")}`);
  if (set.length > 0) notes.push(`changed: ${set.join(", ")}`);
  return notes;
}

async function write(root: string, path: string, lines: readonly string[]): Promise<void> {
  const file = await open(join(root, path), "w", 0o600);
  try {
    await file.writeFile(lines.join("\n"), "latin1");
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
