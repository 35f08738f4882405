import { fromBinary } from "@bufbuild/protobuf";
import type { FrameHeader } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { type Record, RecordBatchSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { assertFieldCount } from "../../count-fields.js";
import { NeonError } from "../../errors.js";
import { MAX_MESSAGE_FIELDS } from "../../limits.js";
import { decompress } from "./codec.js";
import type { Frame } from "./frame.js";

/** A frame with its records. */
export interface DecodedFrame {
  readonly header: FrameHeader;
  readonly digest: Buffer;
  /** Their bytes belong to this frame. */
  readonly records: Record[];
}

/** Decompresses a frame and parses its records. Throws XX001 for content that cannot be parsed, 54000 for too much of it. */
export function decodeRecords(frame: Frame): DecodedFrame {
  const { header, digest } = frame;
  const content = decompress(header.codec, frame.payload, header.contentLength);
  assertFieldCount(RecordBatchSchema, content, MAX_MESSAGE_FIELDS);
  try {
    return { header, digest, records: fromBinary(RecordBatchSchema, content).records };
  } catch (cause) {
    throw new NeonError("data_corrupted", `the content of frame ${header.seq} cannot be parsed`, {
      party: "source",
      cause,
    });
  }
}
