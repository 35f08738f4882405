import test from "ava";
import { assertNoBranch, remoteBranch, withoutBranch } from "../../src/server/uri-branch.js";

const NAMED: [destination: string, branch: string | undefined, uri: string][] = [
  ["cloud", undefined, "cloud"],
  ["postgresql://h:6400", undefined, "postgresql://h:6400"],
  ["postgresql://h:6400/", undefined, "postgresql://h:6400/"],
  ["postgresql://h:6400/other", "other", "postgresql://h:6400/"],
  [
    "postgres://u:p@[::1]/feature/x%20?sslmode=disable",
    "feature/x ",
    "postgres://u:p@[::1]/?sslmode=disable",
  ],
  ["postgresql:///other?host=/run/x/y", "other", "postgresql:///?host=/run/x/y"],
  ["postgresql://?host=/run/x", undefined, "postgresql://?host=/run/x"],
];

for (const [destination, branch, uri] of NAMED) {
  test(`${destination} names ${branch === undefined ? "no branch" : `the branch "${branch}"`}`, (t) => {
    t.is(remoteBranch(destination, undefined), branch);
    t.is(withoutBranch(destination), uri);
    const where = () => assertNoBranch(destination, "not here");
    if (branch === undefined) t.notThrows(where);
    else t.throws(where, { code: "invalid_parameter_value" });
  });
}

test("a branch is named in one place, or by the same name in two", (t) => {
  t.is(remoteBranch("postgresql://h/other", "other"), "other");
  t.is(remoteBranch("postgresql://h/", "other"), "other");
  t.throws(() => remoteBranch("postgresql://h/other", "another"), { code: "invalid_parameter_value" });
});

test("the path of what is no well-formed URI is never taken for a branch: it may be half a password", (t) => {
  const error = t.throws(() => remoteBranch("postgresql://u:hunt/hunter2@h/x", undefined));
  t.notRegex(String(error?.message), /hunt/);
});
