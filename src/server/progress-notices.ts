import { create, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { type Progress, ProgressSchema } from "../../gen/neon/pageserver/v1/service_pb.js";
import type { Reply } from "../pgwire/listener.js";

/** Shortest time between two notices of one phase, in milliseconds. */
const INTERVAL_MS = 200;

/**
 * Makes a function that sends progress as notices: the first of each phase at once, later ones five times a second, none
 * once `signal` has aborted, when there may be nobody left to send to.
 */
export function progressNotices(
  reply: Reply,
  signal: AbortSignal,
): (progress: MessageInitShape<typeof ProgressSchema>) => void {
  let phase: string | undefined;
  let sentAt = 0;
  return (init) => {
    if (signal.aborted) return;
    const now = performance.now();
    const progress = create(ProgressSchema, init);
    if (progress.phase === phase && now - sentAt < INTERVAL_MS) return;
    phase = progress.phase;
    sentAt = now;
    reply.notice({
      severity: "INFO",
      code: "00000",
      message: describe(progress),
      detail: toJsonString(ProgressSchema, progress),
    });
  };
}

function describe({ phase, bytes, totalBytes }: Progress): string {
  return totalBytes === undefined ? `${phase}: ${bytes} bytes` : `${phase}: ${bytes} of ${totalBytes} bytes`;
}
