import { NeonError } from "../../errors.js";
import type { ChainWriter } from "../../timeline/chain-writer.js";
import type { Branch, Store } from "../../timeline/store.js";

/** Makes the branch of a finished import: under another name if somebody has taken its own meanwhile. */
export async function createImported(store: Store, name: string, writer: ChainWriter): Promise<Branch> {
  try {
    return await store.createBranch(name, writer);
  } catch (error) {
    if (NeonError.from(error).code !== "duplicate_object") throw error;
  }
  const stem = `${name}-import-${writer.head?.digest.toString("hex").slice(0, 8)}`;
  return store.createBranch(stem, writer);
}

/** The error of an import whose name was taken meanwhile, and that is kept as `kept`. */
export function takenMeanwhile(name: string, { name: kept }: Branch): NeonError {
  return new NeonError("duplicate_object", `branch "${name}" was created meanwhile, by somebody else`, {
    hint: `What was imported is branch "${kept}" now; neon branch rename ${kept} NEW-NAME gives it another name.`,
  });
}
