import type { Store } from "../../timeline/store.js";
import type { Context } from "../context.js";

/** Tells the client of segments that the index does not know: such as those of a newer .neon beneath an older one put back. */
export async function noticeUnknownSegments(store: Store, notice: Context["notice"]): Promise<void> {
  const { segments, bytes } = await store.unknownSegments();
  if (segments === 0) return;
  const files = segments === 1 ? "1 segment file" : `${segments} segment files`;
  notice(
    `the index does not know ${files} of .neon/store/segments (${bytes} bytes), which nothing reads or frees: neon repair --rebuild-index finds what they hold`,
  );
}
