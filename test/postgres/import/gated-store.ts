import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { Store } from "../../../src/timeline/store.js";

/**
 * A store that lets something happen in the middle of an import: its writers run `action` after `frames` frames of the
 * base backup, and take no other frame before it has resolved. Everything else is the real store.
 */
export function gatedStore(store: Store, frames: number, action: () => Promise<unknown>): Store {
  const beginChain: Store["beginChain"] = async () => {
    const writer = await store.beginChain();
    const append = writer.append.bind(writer);
    let before = frames;
    let gate: Promise<unknown> = Promise.resolve();
    writer.append = async (kind, ...frame) => {
      await append(kind, ...frame);
      if (kind === FrameKind.BASE && --before === 0) gate = action();
      await gate;
    };
    return writer;
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === "beginChain") return beginChain;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
