import test from "ava";
import { TargetDirectory } from "../../../src/postgres/export/target-directory.js";

test("what the operating system refuses is said of the place that the user named", async (t) => {
  const error = await t.throwsAsync(TargetDirectory.create("/proc/pgdata"));
  t.regex(String(error?.message), / \(\/proc\/pgdata\)$/);
});
