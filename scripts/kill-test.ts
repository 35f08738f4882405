import { killTest } from "./kill-test/rounds.js";

// `node dist/scripts/kill-test.js [rounds] [seed] [kind]`: real page servers push, pull, import and follow, and one of
// them is killed with -9 at a random moment. Each time it starts again, the branch stands where it was or where it should
// be, the next attempt works, every branch verifies, and gc leaves no segment behind. The seed gives the same rounds
// again, though not to the microsecond. With a kind, such as `follow`, all rounds are of that kind.

const [rounds = "200", seed = String(Date.now() % 1_000_000), kind] = process.argv.slice(2);

try {
  console.log(`${rounds} rounds, seed ${seed}`);
  console.log(await killTest(Number(rounds), Number(seed), (line) => console.log(line), kind));
} catch (error) {
  console.error(`\nThe kill test failed (seed ${seed}): ${(error as Error).message}`);
  process.exitCode = 1;
}
