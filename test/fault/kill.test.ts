import test from "ava";
import { killTest } from "../../scripts/kill-test/rounds.js";

test("six times a page server is killed at work, once while both follow, and nothing is lost, half done or left over", async (t) => {
  t.timeout(600_000);
  const lines: string[] = [];
  const seed = Date.now() % 1_000_000;
  await t.notThrowsAsync(
    killTest(6, seed, (line) => lines.push(line)),
    `seed ${seed}\n${lines.join("\n")}`,
  );
  t.is(lines.length, 6, lines.join("\n"));
});
