import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type Branch, Store } from "../../../src/timeline/store.js";

/** Reads every frame of branch `main` in a repository that nobody serves. */
export async function assertWhole(t: ExecutionContext, directory: string, branch: Branch): Promise<void> {
  const store = await Store.open(join(directory, ".neon", "store"));
  let frames = 0;
  for await (const _ of store.reader(store.requireBranch("main")).frames()) frames++;
  t.deepEqual(store.requireBranch("main").head, branch.head);
  t.is(frames, branch.frames);
  await store.close();
}
