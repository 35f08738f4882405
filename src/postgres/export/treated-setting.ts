import { parseSize } from "./parse-size.js";
import type { RecoveryNeeds } from "./recovery-needs.js";

/** Why export treats a setting. */
export type SettingGroup =
  /** Recovery up to the head, and not beyond or short of it, depends on it: treated also with keepConfig. */
  | "recovery"
  /** The copy would reach other hosts, wait for them, or act on a schedule. */
  | "outward"
  /** Others would reach the copy, or take it for the source. */
  | "inward"
  /** It names a file, a directory, a program or a library of the source's host. */
  | "path"
  /** It is sized for the source's host, or a kind of system that the source's host has. */
  | "host";

/** What the settings of an exported cluster depend on. */
export interface ExportFacts {
  readonly majorVersion: number;
  /** Whether the cluster has tablespaces, or its WAL makes some. */
  readonly hasTablespaces: boolean;
  readonly needs: RecoveryNeeds;
  /** Replication slots, and origins that recovery has to have room for. */
  readonly maxReplicationSlots: number;
  /** A port that is free here. */
  readonly port: number;
  /** Bytes of memory that this host can give a Postgres. */
  readonly memoryBytes: number;
  /** Bytes that are free where the data directory lies. */
  readonly freeDiskBytes: number;
}

/** A setting that does not simply come along. */
export interface TreatedSetting {
  /** In lower case. */
  readonly name: string;
  readonly group: SettingGroup;
  /** First and last major version that know it, where not all from 14 to 18 do. */
  readonly since?: number;
  readonly until?: number;
  /** What export sets, or undefined; nothing, where Postgres's own default is right. */
  readonly value?: string | ((facts: ExportFacts) => string | undefined);
  /** Whether what the source set may stay. Without it, only an empty value may. */
  readonly keep?: Keep;
}

/** Whether a value that the source set may stay. */
export type Keep = (value: string, facts: ExportFacts) => boolean;

/** Where export sets what this setting is to be: the value. Undefined: it sets none, or the version knows none. */
export function valueToSet(setting: TreatedSetting, facts: ExportFacts): string | undefined {
  const { since = 0, until = Number.POSITIVE_INFINITY, value } = setting;
  if (facts.majorVersion < since || facts.majorVersion > until) return undefined;
  return typeof value === "function" ? value(facts) : value;
}

/** Whether a line of the source that gives the setting this value stays. */
export function stays(setting: TreatedSetting, value: string, facts: ExportFacts): boolean {
  const set = valueToSet(setting, facts);
  if (set !== undefined) return value === set;
  return value === "" || (setting.keep?.(value, facts) ?? false);
}

/** For `keep`: one of these, whatever the case of its letters. */
export function oneOf(...values: string[]): Keep {
  return (value) => values.includes(value.toLowerCase());
}

/** For `keep`: switched off, in any spelling of a boolean that Postgres takes. */
export const off: Keep = (value) => /^(of|off|f|fa|fal|fals|false|n|no|0)$/i.test(value);

/** For `keep`: a number no larger than this one. */
export function atMost(limit: number): Keep {
  return (value) => Number(value) <= limit;
}

/** For `keep`: no more than this many bytes, where a plain number counts `unit` of them. */
export function atMostBytes(limit: number, unit: number): Keep {
  return (value) => parseSize(value, unit) <= limit;
}

/** For `keep`: no more than this part of the host's memory, where a plain number counts `unit` bytes. */
export function fitsMemory(part: number, unit: number): Keep {
  return (value, { memoryBytes }) => parseSize(value, unit) <= memoryBytes * part;
}

/** For `keep`: no more than this part of what is free on the disk, where a plain number counts `unit` bytes. */
export function fitsDisk(part: number, unit: number): Keep {
  return (value, { freeDiskBytes }) => parseSize(value, unit) <= freeDiskBytes * part;
}

/** For `keep`: a path that lies below the data directory, and so came along. */
export const inDataDirectory: Keep = (value) =>
  !/^(?:[/\\]|[A-Za-z]:)/.test(value) && !value.split(/[/\\]/).includes("..");
