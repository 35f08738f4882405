import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { open } from "lmdb";
import { NeonError } from "../src/errors.js";

test("an error of the operating system gets Postgres's SQLSTATE and a hint, by its name or its number", (t) => {
  for (const [name, number, sqlstate] of [
    ["ENOSPC", 28, "53100"],
    ["EFBIG", 27, "53100"],
    ["EIO", 5, "58030"],
  ] as const) {
    const byName = NeonError.from(Object.assign(new Error("x"), { code: name }));
    // As LMDB throws it, whose text has facts for its developers only.
    const text = "No space left on device: Attempting to write page at position 45056, size 12288";
    const byNumber = NeonError.from(Object.assign(new Error(text), { code: number }));
    t.is(byName.sqlstate, sqlstate);
    t.truthy(byName.hint);
    t.like(byNumber, { sqlstate, message: byName.message, hint: byName.hint });
  }
});

test("a number of LMDB's own stays an internal error", async (t) => {
  const path = await mkdtemp(join(tmpdir(), "neon-lmdb-"));
  t.teardown(() => rm(path, { recursive: true }));
  const database = open({ path, mapSize: 65536, overlappingSync: false });
  t.teardown(() => database.close());
  const thrown = t.throws(() => database.putSync("key".repeat(10_000), 1), { any: true });
  t.is(NeonError.from(thrown).code, "internal_error");
  t.is(NeonError.from(Object.assign(new Error("MDB_BAD_TXN"), { code: -30782 })).code, "internal_error");
});
