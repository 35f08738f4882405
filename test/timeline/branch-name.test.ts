import test from "ava";
import { NeonError } from "../../src/errors.js";
import { assertBranchName } from "../../src/timeline/branch-name.js";

for (const name of ["main", "feature/x", "v1.0", "über", "a-b_c", "HEAD"]) {
  test(`${name} is a branch name`, (t) => {
    t.notThrows(() => assertBranchName(name));
  });
}

const refused = [
  "",
  "a b",
  "a..b",
  "/a",
  "a/",
  "a//b",
  ".a",
  "a/.b",
  "a.",
  "a.lock",
  "a.lock/b",
  "a~1",
  "a^",
  "a:b",
];
for (const name of [
  ...refused,
  "a?",
  "a*",
  "a[",
  "a\\b",
  "a@{b",
  "@",
  "-a",
  "a\tb",
  "a\x7f",
  "x".repeat(256),
]) {
  test(`${JSON.stringify(name).slice(0, 20)} is no branch name`, (t) => {
    const error = t.throws(() => assertBranchName(name), { instanceOf: NeonError });
    t.is(error?.sqlstate, "42602");
  });
}
