import test from "ava";
import { nearestName } from "../src/nearest-name.js";

const cases: [name: string, candidates: string[], nearest: string | undefined][] = [
  ["psuh", ["pull", "push"], "push"],
  ["brnch_lst", ["branch_list", "branch_log"], "branch_list"],
  ["lst", ["log", "list"], "list"],
  ["mian", ["main", "dev"], "main"],
  ["prod", ["production", "dev"], "production"],
  ["foo", ["log", "gc"], undefined],
  ["x", ["xy", "y"], "xy"],
  ["", ["a"], undefined],
  ["anything", [], undefined],
  ["a".repeat(65), ["a".repeat(65)], undefined],
];

for (const [name, candidates, nearest] of cases) {
  test(`${JSON.stringify(name.slice(0, 20))} among ${candidates.join(", ").slice(0, 40)}: ${nearest ?? "none is near"}`, (t) => {
    t.is(nearestName(name, candidates), nearest);
  });
}
