import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createPostgres, type PostgresMajor, type TestPostgres } from "../../../scripts/support/postgres.js";
import { giveToPostgres } from "../../../scripts/support/postgres-process.js";
import {
  createTemporaryDirectory,
  type TemporaryDirectory,
} from "../../../scripts/support/temporary-directory.js";
import { runSqlNow } from "./run-sql-now.js";

/** A cluster with something of everything, and what changes in it while it is imported. */
export interface BusySource {
  readonly postgres: TestPostgres;
  /** Holds the two tablespaces. */
  readonly tablespaces: TemporaryDirectory;
  /** Changes the cluster while this process stands still. */
  change(): void;
  remove(): Promise<void>;
}

/** Makes one. */
export async function busySource(major: PostgresMajor, initdb: readonly string[]): Promise<BusySource> {
  const tablespaces = await createTemporaryDirectory("neon-spaces-");
  const [early, late] = ["early", "late"].map((name) => join(tablespaces.path, name)) as [string, string];
  for (const directory of [early, late]) {
    await mkdir(directory);
    await giveToPostgres(directory);
  }
  const settings = { max_prepared_transactions: "7", max_connections: "33", fsync: "off" };
  const postgres = await createPostgres({ major, initdb, settings });
  for (const sql of before(early)) await postgres.query(sql);
  return {
    postgres,
    tablespaces,
    change() {
      runSqlNow(postgres, during(late));
      runSqlNow(postgres, ["create table born as select 7 as number"], "made_meanwhile");
    },
    async remove() {
      await postgres.remove();
      await tablespaces.remove();
    },
  };
}

const rows = (count: number) => `select i as id, md5(i::text) as note from generate_series(1, ${count}) i`;

function before(tablespace: string): string[] {
  return [
    `create tablespace early location '${tablespace}'`,
    `create table plain as ${rows(20_000)}`,
    "alter table plain add primary key (id)",
    `create table in_early tablespace early as ${rows(3000)}`,
    `create table written as ${rows(5000)}`,
    `create table truncated as ${rows(5000)}`,
    `create table dropped as ${rows(5000)}`,
    "create table empty (id int)",
    `create unlogged table unlogged as ${rows(1000)}`,
    "select lo_from_bytea(4711, decode(repeat('0badcafe', 5000), 'hex'))",
    "begin; insert into plain values (0, 'pending'); prepare transaction 'pending'",
    "checkpoint",
  ];
}

function during(tablespace: string): string[] {
  return [
    "insert into written select i, 'new' from generate_series(1, 3000) i",
    "update written set note = 'changed' where id % 3 = 0",
    "delete from written where id % 5 = 0",
    "vacuum written",
    "truncate truncated",
    "insert into truncated values (1, 'after')",
    "drop table dropped",
    `create table created as ${rows(2000)}`,
    "create index on created (note)",
    "create database made_meanwhile",
    `create tablespace late location '${tablespace}'`,
    `create table in_late tablespace late as ${rows(2000)}`,
    "insert into in_early select i, 'more' from generate_series(1, 500) i",
    "select lo_from_bytea(4712, decode('beef', 'hex'))",
    "checkpoint",
    "insert into written values (-1, 'after the checkpoint')",
  ];
}
