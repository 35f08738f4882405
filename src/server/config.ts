import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { NeonError } from "../errors.js";
import { nearestName } from "../nearest-name.js";
import { parseVerifier } from "../pgwire/scram/scram-verifier.js";
import { surroundingDataDirectory } from "../postgres/data-directory.js";
import { syncDirectory } from "../sync-path.js";
import { type ConfigDocument, readConfigFile, writeConfigFile } from "./config-file.js";
import { isConnectionUri } from "./connection-uri.js";
import { parseListenAddress } from "./listen-address.js";

/** Where a page server listens unless its configuration says otherwise. */
export const DEFAULT_LISTEN = "127.0.0.1:6400";

/** Bytes of the mock authentication nonce; Postgres has as many. */
const NONCE_BYTES = 32;

/** What `.neon/config.toml` says. */
export interface Config {
  /** host:port of the TCP listener. */
  readonly listen: string;
  /** Connection URI of each origin, by name; with passwords: never for logs. */
  readonly origins: ReadonlyMap<string, string>;
  /** Verifier of each user's password in Postgres's form, by name: never for logs. */
  readonly users: ReadonlyMap<string, string>;
  /** Secret that the answers to unknown users are made of, in hex; there is one once a user was added. */
  readonly mockAuthenticationNonce: string | undefined;
}

/** Path of the unix socket that a repository's page server serves. */
export function socketPath(directory: string): string {
  return join(directory, "socket");
}

/** Path of a repository's store. */
export function storePath(directory: string): string {
  return join(directory, "store");
}

/** Throws 58P01 if a repository has no store, which it has had from its beginning: a new one would look as if it were empty. */
export function assertStoreExists(directory: string): void {
  const path = storePath(directory);
  if (exists(path)) return;
  throw new NeonError("undefined_file", `the repository has lost its store: ${path} is missing`, {
    hint: "Put it back from a copy, or remove the repository, make a new one (neon init) and pull the branches from another page server.",
  });
}

/** Finds the `.neon` directory in `from` or above it. Throws 58P01 if there is none. */
export function findRepository(from: string): string {
  const start = resolve(from);
  let foreign: string | undefined;
  for (let parent = start; ; parent = dirname(parent)) {
    const directory = join(parent, ".neon");
    if (isForeign(directory)) foreign ??= directory;
    else if (exists(configPath(directory))) return directory;
    if (parent === dirname(parent)) break;
  }
  if (foreign !== undefined) throw notARepository(foreign, "undefined_file");
  throw new NeonError("undefined_file", `there is no neon repository in ${start} or above it`, {
    hint: "neon init makes one; -C DIR looks in another directory.",
  });
}

/**
 * Makes a repository in `parent` and gives its `.neon` directory, whole or not at all. Throws 42710 if one is there,
 * 22023 for a bad listen address, 55000 in a data directory of Postgres.
 */
export async function initRepository(
  parent: string,
  options: { listen?: string | undefined } = {},
): Promise<string> {
  const listen = options.listen ?? DEFAULT_LISTEN;
  parseListenAddress(listen);
  const directory = join(resolve(parent), ".neon");
  if (isForeign(directory)) throw notARepository(directory, "duplicate_object");
  if (exists(directory)) throw alreadyThere(directory);
  const cluster = surroundingDataDirectory(parent);
  if (cluster !== undefined) throw insideCluster(cluster);
  await mkdir(dirname(directory), { recursive: true });
  // Only here: it takes a while to load, and most of what reads a configuration has no need of it.
  const { Store } = await import("../timeline/store.js");
  const scratch = await mkdtemp(`${directory}.init-`);
  try {
    await writeConfigFile(configPath(scratch), { listen });
    await Store.create(storePath(scratch));
    await rename(scratch, directory);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw (error as NodeJS.ErrnoException).code === "ENOTEMPTY"
      ? alreadyThere(directory)
      : NeonError.from(error);
  }
  await syncDirectory(dirname(directory));
  return directory;
}

/** Reads a repository's configuration. Throws 22023 for what it cannot use, without quoting values. */
export async function readConfig(directory: string): Promise<Config> {
  return interpret(await readConfigFile(configPath(directory)));
}

/**
 * Changes a repository's origins: `change` gets them and changes them in place. The file is replaced as a whole; other
 * settings in it stay, comments do not. The caller holds the repository, and does one change at a time.
 */
export async function changeOrigins(
  directory: string,
  change: (origins: Map<string, string>) => void,
): Promise<void> {
  const document = await readConfigFile(configPath(directory));
  const origins = new Map(interpret(document).origins);
  change(origins);
  const changed = { ...document, origins: changeTables(document.origins, "uri", origins) };
  await writeConfigFile(configPath(directory), changed);
}

/** Changes the users: `change` gets the verifiers and changes them in place. Otherwise as {@link changeOrigins}. */
export async function changeUsers(
  directory: string,
  change: (users: Map<string, string>) => void,
): Promise<void> {
  const document = await readConfigFile(configPath(directory));
  const config = interpret(document);
  const users = new Map(config.users);
  change(users);
  // Made once and kept: salts that changed would tell the users who do not exist from those who do.
  const mock_authentication_nonce =
    config.mockAuthenticationNonce ?? randomBytes(NONCE_BYTES).toString("hex");
  const changed = {
    ...document,
    mock_authentication_nonce,
    users: changeTables(document.users, "password", users),
  };
  await writeConfigFile(configPath(directory), changed);
}

/** Tables by name with `values` under `key`; what else the tables of these names held stays. */
function changeTables(before: unknown, key: string, values: ReadonlyMap<string, string>): object {
  const kept = before as Record<string, object> | undefined;
  const tables = Array.from(values, ([name, value]) => {
    const others = kept !== undefined && Object.hasOwn(kept, name) ? kept[name] : {};
    return [name, { ...others, [key]: value }] as const;
  });
  return Object.fromEntries(tables);
}

/** What {@link interpret} reads. */
const SETTINGS = ["listen", "origins", "users", "mock_authentication_nonce"];

function interpret(document: ConfigDocument): Config {
  assertNoSlips(document);
  const { listen = DEFAULT_LISTEN, mock_authentication_nonce: nonce } = document;
  if (typeof listen !== "string") throw badSetting("listen", "a text such as 127.0.0.1:6400");
  if (nonce !== undefined && (typeof nonce !== "string" || !/^([0-9a-f]{2}){16,}$/.test(nonce))) {
    throw badSetting(
      "mock_authentication_nonce",
      "bytes as hexadecimal digits, 16 or more; neon user add makes it",
    );
  }
  const origins = readTables(document, "origins", "uri", {
    isUsable: isConnectionUri,
    expects: "a connection URI such as postgresql://host:6400/",
  });
  const users = readTables(document, "users", "password", {
    isUsable: (text) => parseVerifier(text) !== undefined,
    expects: "what neon user add writes, or pg_authid.rolpassword of a Postgres: SCRAM-SHA-256$4096:…",
  });
  return { listen, origins, users, mockAuthenticationNonce: nonce };
}

/**
 * Settings of later versions are let be; one that is nearly called like a known one is a slip, or a disk's flipped bit: without
 * it there would be no users, say.
 */
function assertNoSlips(document: ConfigDocument): void {
  for (const name of Object.keys(document)) {
    const meant = SETTINGS.includes(name) ? undefined : nearestName(name, SETTINGS);
    if (meant === undefined) continue;
    throw new NeonError("invalid_parameter_value", `setting ${name} of config.toml is not known`, {
      hint: `Did you mean ${meant}?`,
    });
  }
}

/** The texts under `key` of the tables `[setting.NAME]`, by name. */
function readTables(
  document: ConfigDocument,
  setting: string,
  key: string,
  { isUsable, expects }: { isUsable(text: string): boolean; expects: string },
): Map<string, string> {
  const tables = document[setting] ?? {};
  if (!isTable(tables)) throw badSetting(setting, `a table: [${setting}.NAME]`);
  const entries = Object.entries(tables).map(([name, table]) => {
    const value = isTable(table) ? table[key] : undefined;
    if (typeof value !== "string" || !isUsable(value)) throw badSetting(`${setting}.${name}.${key}`, expects);
    return [name, value] as const;
  });
  return new Map(entries);
}

function badSetting(name: string, expects: string): NeonError {
  return new NeonError("invalid_parameter_value", `setting ${name} of config.toml is not usable`, {
    hint: `It takes ${expects}.`,
  });
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function configPath(directory: string): string {
  return join(directory, "config.toml");
}

function insideCluster(cluster: string): NeonError {
  const text = `${cluster} holds the files of a PostgreSQL, which is no place for a repository`;
  return new NeonError("object_not_in_prerequisite_state", text, {
    hint: "Make it elsewhere: mkdir ~/neon && cd ~/neon && neon init. Every base backup would copy it, and every export would leave it behind.",
  });
}

function alreadyThere(directory: string): NeonError {
  return new NeonError("duplicate_object", `${directory} exists already`, {
    hint: "Use it, or make another repository with -C DIR.",
  });
}

/** Whether the name of the repository is that of something else: neonctl keeps its settings in a file `.neon`. */
function isForeign(directory: string): boolean {
  return statSync(directory, { throwIfNoEntry: false })?.isDirectory() === false;
}

function notARepository(path: string, code: "undefined_file" | "duplicate_object"): NeonError {
  return new NeonError(code, `${path} is a file, and no neon repository`, {
    hint: "Another program put it there, such as neonctl. Make the repository elsewhere: mkdir DIR && neon -C DIR init.",
  });
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
