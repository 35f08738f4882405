import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import pg from "pg";
import { findTool } from "./find-tool.js";
import type { TestPostgres } from "./postgres.js";

const CLIENTS = 4;
/** Transactions a second, of all clients: enough for some hundred kilobytes of WAL, and the machine is not ours alone. */
const RATE = 200;

/** Transactions that go on until somebody stops them. */
export interface Workload {
  /** Resolves when the last of them is over. Throws if one has failed. */
  stop(): Promise<void>;
}

/** Fills pgbench's tables and begins to run its transactions: by pgbench, or where that is missing by clients like it. */
export async function startWorkload(postgres: TestPostgres): Promise<Workload> {
  const pgbench = findTool("pgbench");
  return pgbench === undefined ? runClients(postgres) : runPgbench(pgbench, postgres);
}

async function runPgbench(pgbench: string, postgres: TestPostgres): Promise<Workload> {
  const run = (...words: string[]) => {
    const common = ["-h", "127.0.0.1", "-p", String(postgres.port), "-U", "postgres"];
    const child = spawn(pgbench, [...common, ...words, "postgres"], { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (text) => {
      errors += text;
    });
    const ended = once(child, "close").then(() => assertEnded(child, errors));
    ended.catch(() => undefined);
    return { child, ended };
  };
  await run("-i", "-q").ended;
  const { child, ended } = run("-c", String(CLIENTS), "-R", String(RATE), "-T", "3600");
  return {
    stop() {
      child.kill("SIGINT");
      return ended;
    },
  };
}

/** SIGINT is how {@link Workload.stop} ends pgbench. */
function assertEnded({ exitCode, signalCode }: ChildProcess, errors: string): void {
  if (exitCode !== 0 && signalCode !== "SIGINT") throw new Error(`pgbench failed (${exitCode}):\n${errors}`);
}

const TABLES = `
  create table pgbench_accounts (aid int primary key, bid int, abalance int, filler char(84));
  create table pgbench_tellers (tid int primary key, bid int, tbalance int);
  create table pgbench_branches (bid int primary key, bbalance int);
  create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp);
  insert into pgbench_accounts select i, 1, 0, '' from generate_series(1, 100000) i;
  insert into pgbench_tellers select i, 1, 0 from generate_series(1, 10) i;
  insert into pgbench_branches values (1, 0)`;

async function runClients(postgres: TestPostgres): Promise<Workload> {
  await postgres.query(TABLES);
  let stopped = false;
  const work = async () => {
    const client = new pg.Client(`${postgres.uri}postgres`);
    await client.connect();
    try {
      while (!stopped) {
        const [aid, tid, delta] = [random(100_000) + 1, random(10) + 1, random(10_000) - 5000];
        await client.query(`begin;
          update pgbench_accounts set abalance = abalance + ${delta} where aid = ${aid};
          update pgbench_tellers set tbalance = tbalance + ${delta} where tid = ${tid};
          update pgbench_branches set bbalance = bbalance + ${delta} where bid = 1;
          insert into pgbench_history values (${tid}, 1, ${aid}, ${delta}, now());
          commit`);
        await new Promise((resolve) => setTimeout(resolve, (1000 * CLIENTS) / RATE));
      }
    } finally {
      await client.end();
    }
  };
  const ended = Promise.all(Array.from({ length: CLIENTS }, work));
  ended.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await ended;
    },
  };
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}
