import test from "ava";
import { meansStandby } from "../../src/postgres/synchronous-standby-names.js";

test("synchronous_standby_names means a client by * or by its name, in every form that Postgres takes", (t) => {
  const means = [
    "*",
    '"*"',
    "s1, *",
    "1 (*)",
    "FIRST 2 (s1, *)",
    "any 1 ( s1 , * )",
    '"neon import"',
    'ANY 2 (s1, "NEON Import")',
    'first 1("neon import")',
  ];
  const others = [
    "",
    "s1",
    "s1, s2",
    "FIRST 1 (s1, s2)",
    '"a*"',
    '"neon"',
    "neon",
    '"neon ""import"',
    "2 (s1, s2)",
  ];
  for (const setting of means) t.true(meansStandby(setting, "neon import"), setting);
  for (const setting of others) t.false(meansStandby(setting, "neon import"), setting);
  t.true(meansStandby('s1, "a ""b"""', 'A "b"'));
});
