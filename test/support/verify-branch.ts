import { type Verification, verifyBranches } from "../../src/postgres/history/verify-branches.js";
import type { Branch, Store } from "../../src/timeline/store.js";

/** Verifies one branch. */
export async function verifyBranch(options: {
  store: Store;
  branch: Branch;
}): Promise<Omit<Verification, "branch">> {
  const { store, branch } = options;
  for await (const { branch: _, ...found } of verifyBranches({ store, branches: [branch] })) return found;
  throw new Error("verification gave nothing");
}
