import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cleanText } from "../../clean-text.js";
import { NeonError } from "../../errors.js";
import type { Connection } from "../../pgwire/connect.js";
import { TrialError, type TrialServer } from "./trial-server.js";

const run = promisify(execFile);
/** Of pg_amcheck's findings, as many lines are told. */
const FINDINGS = 3;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** What a cluster holds. All of it was read. */
export interface ClusterCounts {
  readonly databases: number;
  /** Tables, TOAST tables and materialized views, the system's among them. */
  readonly tables: number;
  readonly rows: bigint;
}

/**
 * Reads every row of every table of a running cluster, and counts. Throws a {@link TrialError} with what the server says
 * of one that cannot be read. `onTable` is called for each.
 */
export async function countRows(
  server: TrialServer,
  onTable: (table: string) => void,
): Promise<ClusterCounts> {
  const counts = { databases: 0, tables: 0, rows: 0n };
  for (const database of await listDatabases(server)) {
    const connection = await server.connect(database).catch(asTrialError(`database "${database}"`));
    try {
      counts.databases++;
      for (const table of await column(connection, TABLES)) {
        onTable(`${database}.${table}`);
        const [rows] = await column(connection, `select count(*) from only ${table}`).catch(
          asTrialError(`table ${table} of database "${database}"`),
        );
        counts.tables++;
        counts.rows += BigInt(rows ?? 0);
      }
    } finally {
      await connection.close();
    }
  }
  return counts;
}

/**
 * Runs pg_amcheck on all databases. False if this host does not have it. Throws a {@link TrialError} with what it finds.
 */
export async function runAmcheck(
  server: TrialServer,
  binaries: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const program = join(binaries, "pg_amcheck");
  if (!(await isThere(program)) || !(await hasExtension(server))) return false;
  const words = ["--all", "--install-missing", "--maintenance-db=template1", ...server.connectionArguments];
  try {
    const env = { PATH: process.env.PATH, LC_ALL: "C" };
    await run(program, words, { env, cwd: "/", maxBuffer: MAX_OUTPUT_BYTES, ...(signal && { signal }) });
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
    const lines = `${stdout}\n${stderr}`.split("\n").map((line) => line.trim());
    const found = lines.filter((line) => line !== "");
    const told = found.length === 0 ? message : found.slice(0, FINDINGS).join(" ");
    throw new TrialError(`pg_amcheck: ${cleanText(told)}`);
  }
}

/** Relations that have rows of their own, with quotes where their names need them. Unfilled views cannot be read. */
const TABLES = `select format('%I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm', 't') and c.relispopulated and c.relpersistence <> 't' order by 1`;

async function listDatabases(server: TrialServer): Promise<string[]> {
  const connection = await server.connect("template1");
  try {
    return await column(connection, "select datname from pg_database where datallowconn order by 1");
  } finally {
    await connection.close();
  }
}

async function hasExtension(server: TrialServer): Promise<boolean> {
  const connection = await server.connect("template1");
  try {
    return (
      (await column(connection, "select 1 from pg_available_extensions where name = 'amcheck'")).length > 0
    );
  } finally {
    await connection.close();
  }
}

async function column(connection: Connection, sql: string): Promise<string[]> {
  const [result] = await connection.query(sql);
  return result?.rows.map(([value]) => value ?? "") ?? [];
}

function asTrialError(what: string): (error: unknown) => never {
  return (error) => {
    throw new TrialError(`${what} cannot be read: ${NeonError.from(error).message}`);
  };
}

function isThere(program: string): Promise<boolean> {
  return access(program, constants.X_OK).then(
    () => true,
    () => false,
  );
}
