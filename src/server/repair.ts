import { type Rebuilt, rebuildIndex } from "../timeline/rebuild/rebuild-index.js";
import { storePath } from "./config.js";
import { acquireLock } from "./repository-lock.js";

/**
 * Makes the index of a repository (the `.neon` directory) anew from its segments; see {@link rebuildIndex}. No page server
 * can do that, as none starts on a damaged index. Throws 55006 if one runs.
 */
export async function repairRepository(directory: string, dryRun: boolean): Promise<Rebuilt> {
  const lock = await acquireLock(directory);
  try {
    return await rebuildIndex(storePath(directory), dryRun);
  } finally {
    await lock.release();
  }
}
