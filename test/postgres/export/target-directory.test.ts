import test from "ava";
import type { NeonError } from "../../../src/errors.js";
import { TargetDirectory } from "../../../src/postgres/export/target-directory.js";

test("what the operating system refuses is said of the place that the user named", async (t) => {
  const error = await t.throwsAsync(TargetDirectory.create("/proc/pgdata"));
  t.regex(String(error?.message), / \(\/proc\/pgdata\)$/);
});

test("where no directory can be made, the error names the place and says what to do", async (t) => {
  for (const place of ["/proc/x", "/dev/null/x", "/sys/kernel/x"]) {
    const error = (await t.throwsAsync(() => TargetDirectory.create(place))) as NeonError;
    t.not(error.code, "internal_error", place);
    t.regex(error.message, /\/(proc|dev|sys)\//);
    t.truthy(error.hint, place);
  }
});
