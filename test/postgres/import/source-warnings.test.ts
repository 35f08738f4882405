import test from "ava";
import { NeonError } from "../../../src/errors.js";
import { SourceWarnings } from "../../../src/postgres/import/source-warnings.js";

const TABLESPACES = [{ oid: 16400, location: "/mnt/fast" }];

function warned(...texts: string[]): { warnings: SourceWarnings; told: string[] } {
  const told: string[] = [];
  const warnings = new SourceWarnings((text) => told.push(text));
  warnings.expectTablespaces(TABLESPACES);
  for (const text of texts) warnings.take(text);
  return { warnings, told };
}

// As Postgres 15 says it in English, German, French, Russian, Japanese and Chinese.
const SKIPPED = [
  'skipping special file "%s"',
  "überspringe besondere Datei »%s«",
  "ignore le fichier spécial « %s »",
  'специальный файл "%s" пропускается',
  'スペシャルファイル"%s"をスキップしています',
  '跳过特殊文件 "%s"',
];

for (const text of SKIPPED) {
  test(`a file of the cluster is missing where the server says: ${text}`, (t) => {
    const { warnings, told } = warned(text.replace("%s", "./base/16384"));
    t.is(told.length, 1);
    t.throws(() => warnings.assertComplete(), {
      message: /"base\/16384"/,
      code: "object_not_in_prerequisite_state",
    });
  });
}

for (const path of [
  "./base/5/16384",
  "./base/5/16384_vm.1",
  "./base/5/PG_VERSION",
  "./global/1262",
  "./global/pg_control",
  "./pg_xact",
  "./pg_xact/0000",
  "./pg_multixact/members",
  "./pg_logical",
  "./pg_twophase",
  "./PG_VERSION",
  "/mnt/fast/PG_15_202209061",
  "/mnt/fast/PG_15_202209061/16384",
  "/mnt/fast/PG_15_202209061/16384/16385",
]) {
  test(`${path} is the cluster's`, (t) => {
    t.throws(() => warned(`skipping special file "${path}"`).warnings.assertComplete());
  });
}

for (const path of [
  "./postgresql.conf",
  "./log",
  "./.s.PGSQL.5432",
  "./base/README",
  "./base/5/notes",
  "./server.crt",
  "./pg_log",
  "/mnt/fast/PG_15_202209061/notes",
  "/mnt/other/PG_15_202209061/16384",
]) {
  test(`${path} is not the cluster's, and its absence is only told`, (t) => {
    const { warnings, told } = warned(`skipping special file "${path}"`);
    t.notThrows(() => warnings.assertComplete());
    t.is(told.length, 1);
  });
}

for (const text of [
  'could not verify checksum in file "./base/5/16384", block 3: read buffer size 512 and page size 8192 differ',
  'checksum verification failed in file "./base/5/16384", block 40: calculated ABCD but expected 1',
]) {
  test(`a file that came is not missing: ${text}`, (t) => {
    const { warnings } = warned(text);
    t.notThrows(() => warnings.assertComplete());
    const error = new NeonError("data_corrupted", "checksum verification failure during base backup");
    t.regex(warnings.explain(error).message, /"\.\/base\/5\/16384", block \d+/);
    const other = new NeonError("connection_failure", "gone");
    t.is(warnings.explain(other), other);
  });
}
