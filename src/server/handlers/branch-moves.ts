import type { Store } from "../../timeline/store.js";

/** Waits for moves of one branch. */
export interface BranchMoves {
  /** Resolves with true when the branch has moved, or gone, since the last call, with false when `signal` aborts. */
  next(): Promise<boolean>;
  /** Stops watching. */
  stop(): void;
}

/** Watches a branch from now on, until it is stopped. */
export function branchMoves(store: Store, name: string, signal: AbortSignal): BranchMoves {
  let moved = false;
  let wake = () => {};
  const unwatch = store.watch((other) => {
    if (other !== name) return;
    moved = true;
    wake();
  });
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort);
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
    stop() {
      unwatch();
      signal.removeEventListener("abort", onAbort);
    },
  };
}
