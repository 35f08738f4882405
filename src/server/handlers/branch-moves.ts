import type { Store } from "../../timeline/store.js";

/** Waits for moves of one branch. */
export interface BranchMoves {
  /** Resolves with true when the branch has moved since the last call, with false when `signal` aborts. */
  next(): Promise<boolean>;
}

/** Watches a branch from now on, until `signal` aborts. */
export function branchMoves(store: Store, name: string, signal: AbortSignal): BranchMoves {
  let moved = false;
  let wake = () => {};
  const unwatch = store.watch((other) => {
    if (other !== name) return;
    moved = true;
    wake();
  });
  signal.addEventListener(
    "abort",
    () => {
      unwatch();
      wake();
    },
    { once: true },
  );
  return {
    async next() {
      while (!moved && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      moved = false;
      return !signal.aborted;
    },
  };
}
