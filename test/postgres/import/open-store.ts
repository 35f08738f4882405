import type { ExecutionContext } from "ava";
import type { Store } from "../../../src/timeline/store.js";
import { temporaryStore } from "../../support/temporary-store.js";

/** An empty store that lasts as long as a test. */
export async function openStore(t: ExecutionContext): Promise<Store> {
  const temporary = await temporaryStore();
  t.teardown(() => temporary.remove());
  return temporary.store;
}
