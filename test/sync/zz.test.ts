import test from "ava";
import { runTransfer } from "./model/transfer.js";
import { appendToBranch, assertPlace, forkBranch, importBranch, makePlace } from "./model/world.js";

test("zz", async (t) => {
  const p = [await makePlace(), await makePlace(), await makePlace()];
  await importBranch(p[1], "a", 0n, [0]);
  await forkBranch(p[1], "a", 1, "c");
  await appendToBranch(p[1], "c", Array(20).fill(0));
  const plain = {
    kind: "transfer",
    way: "push",
    from: 0,
    distance: 1,
    branch: 0,
    name: undefined,
    mode: "plain",
    cut: undefined,
    crash: false,
    again: false,
  } as const;
  for (const { name, head, timelineId } of p[1].files.store.listBranches())
    console.log(name, head.seq, head.lsn, timelineId.toString("hex"));
  await runTransfer(p[1], p[1], "a", { ...plain, name: "c" });
  await p[1].files.store.collectGarbage(true);
  await runTransfer(p[1], p[1], "a", { ...plain, name: "c" });
  await runTransfer(p[1], p[1], "c", { ...plain, name: "a" });
  for (const place of p) await assertPlace(place);
  t.pass();
});
test("zz2", async (t) => {
  const p = [await makePlace(), await makePlace(), await makePlace()];
  await importBranch(p[1], "a", 0n, [0]);
  await forkBranch(p[1], "a", 1, "c");
  await appendToBranch(p[1], "c", Array(20).fill(0));
  const plain = {
    kind: "transfer",
    way: "push",
    from: 0,
    distance: 1,
    branch: 0,
    name: undefined,
    mode: "plain",
    cut: undefined,
    crash: false,
    again: false,
  } as const;
  await runTransfer(p[1], p[0], "a", { ...plain, mode: "force" });
  await runTransfer(p[0], p[1], "a", { ...plain, name: "b", mode: "force" });
  await runTransfer(p[1], p[0], [..."abc"][356 % 3], { ...plain, name: "a" });
  await runTransfer(p[1], p[2], [..."abc"][898 % 3], { ...plain, name: "b", mode: "lease" });
  console.log([...p[1].branches.keys()], [...p[0].branches.keys()], [...p[2].branches.keys()]);
  await p[1].files.store.collectGarbage(true);
  await runTransfer(p[1], p[2], [..."abc"][101 % 3], { ...plain, way: "pull", name: "b" });
  for (const place of p) await assertPlace(place);
  await runTransfer(p[0], p[2], "a", { ...plain, name: "a", mode: "force" });
  await runTransfer(p[1], p[1], [..."abc"][992 % 3], { ...plain, name: "c" });
  await runTransfer(p[1], p[1], [..."abc"][8 % 3], { ...plain, name: "c" });
  t.pass();
});
