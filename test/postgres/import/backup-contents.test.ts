import test from "ava";
import { BackupContents } from "../../../src/postgres/import/backup-contents.js";

const COMPLETE = [
  ["PG_VERSION", "file"],
  ["backup_label", "file"],
  ["base", "directory"],
  ["global", "directory"],
  ["global/pg_control", "file"],
  ["global/pg_filenode.map", "file"],
  ["pg_commit_ts", "directory"],
  ["pg_logical", "directory"],
  ["pg_multixact/members", "directory"],
  ["pg_multixact/offsets", "directory"],
  ["pg_twophase", "directory"],
  ["pg_xact", "directory"],
] as const;

function contentsOf(paths: readonly (readonly [string, "file" | "directory"])[]) {
  const told: string[] = [];
  const contents = new BackupContents(15, (text) => told.push(text));
  for (const [path, kind] of paths) contents.takes(path, kind);
  return { contents, told };
}

test("a base backup with what every cluster has is complete", (t) => {
  t.notThrows(() => contentsOf(COMPLETE).contents.assertComplete());
});

for (const [path] of COMPLETE) {
  test(`a base backup without ${path} is refused by name, whatever the server warned of`, (t) => {
    const rest = COMPLETE.filter(([other]) => other !== path);
    t.throws(() => contentsOf(rest).contents.assertComplete(), { message: new RegExp(`"${path}"`) });
  });
}

test("a directory that is left out is told once, and not by all that is in it", (t) => {
  const { told } = contentsOf([
    [".neon", "directory"],
    [".neon/config.toml", "file"],
    [".neon/store", "directory"],
  ]);
  t.deepEqual(told, ['left out ".neon" of its data directory: it is a neon repository']);
});
