import test from "ava";
import { followSlotName } from "../../src/server/follow-slot-name.js";

test("a slot's name is one that Postgres takes, whatever the branch's", (t) => {
  for (const branch of ["main", "Team/über-Branch.2", "x".repeat(200)]) {
    t.regex(followSlotName("/repository/.neon", branch), /^neon_[a-z0-9_]{1,40}_[0-9a-f]{8}$/);
  }
});

test("branches that look alike, and repositories, have slots of their own", (t) => {
  const names = [
    followSlotName("/a/.neon", "team/x"),
    followSlotName("/a/.neon", "team-x"),
    followSlotName("/b/.neon", "team/x"),
  ];
  t.is(new Set(names).size, 3);
  t.is(followSlotName("/a/.neon", "team/x"), names[0]);
});
