import { decodeFrame, type Frame } from "../frame/frame.js";
import { assertSuccessor } from "../frame/successor.js";
import { isDamage } from "../is-damage.js";
import { SegmentFooterBuilder } from "./segment-footer.js";
import type { SegmentStore } from "./segment-store.js";

/** Bytes of a CopyData message up to its length, that included. */
const PREFIX_BYTES = 5;

/**
 * Makes the footer of a segment out of its frames: those in its first `length` bytes, up to the first that is damaged or
 * does not follow the one before. Undefined if there is none.
 */
export async function scanSegment(
  segments: SegmentStore,
  id: string,
  length: number,
): Promise<SegmentFooterBuilder | undefined> {
  let footer: SegmentFooterBuilder | undefined;
  let previous: Frame | undefined;
  while (footer === undefined || footer.length < length) {
    const frame = await readFrame(segments, id, footer?.length ?? 0, length);
    if (frame === undefined) break;
    footer ??= new SegmentFooterBuilder(Number(frame.header.seq));
    if (previous !== undefined && !follows(previous, frame)) {
      // The header of either can be the damaged one.
      footer.cut(footer.length - previous.length);
      break;
    }
    footer.add(frame);
    previous = frame;
  }
  return footer !== undefined && footer.length > 0 ? footer : undefined;
}

async function readFrame(
  segments: SegmentStore,
  id: string,
  offset: number,
  end: number,
): Promise<Frame | undefined> {
  try {
    const prefix = await segments.read(id, offset, PREFIX_BYTES);
    if (prefix.length < PREFIX_BYTES) return undefined;
    const length = 1 + prefix.readInt32BE(1);
    if (length < PREFIX_BYTES || offset + length > end) return undefined;
    return decodeFrame(await segments.read(id, offset, length));
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function follows(previous: Frame, frame: Frame): boolean {
  try {
    assertSuccessor(previous, frame);
    return true;
  } catch {
    return false;
  }
}
