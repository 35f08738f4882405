/**
 * The exact bytes of a frame: CopyData message → SessionMessage.frame → Frame { header, payload }.
 *
 * Written and read by hand, since a digest covers the header's bytes as they are and a second encoding of one frame
 * must not exist: protobuf decoders accept repeated and unknown fields and long varints, we refuse them.
 */
import { createHash, subtle } from "node:crypto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type FrameHeader, FrameHeaderSchema } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { NeonError } from "../../errors.js";
import { MAX_FRAME_HEADER_BYTES } from "../../limits.js";
import { varint } from "./record-batch.js";

/** Length of a digest in bytes. */
export const DIGEST_BYTES = 32;

/** A frame with the bytes that it is stored and sent as. */
export interface Frame {
  readonly header: FrameHeader;
  /** SHA-256 of the header's bytes. */
  readonly digest: Buffer;
  /** The stored payload: the end of the last part. */
  readonly payload: Buffer;
  /** The whole CopyData message, in one piece or several. The frame's owner owns them; nobody changes them. */
  readonly parts: readonly Buffer[];
  /** Bytes of all parts. */
  readonly length: number;
}

const COPY_DATA = 0x64; // 'd'
const TAG_SESSION_FRAME = 0x22; // field 4, length-delimited
const TAG_FRAME_HEADER = 0x0a; // field 1, length-delimited
const TAG_FRAME_PAYLOAD = 0x12; // field 2, length-delimited
const COPY_DATA_HEADER_BYTES = 5;

/** SHA-256 of `bytes`. */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** Makes the frame of a header and its stored payload, which becomes a part of the frame. */
export function encodeFrame(init: MessageInitShape<typeof FrameHeaderSchema>, payload: Buffer): Frame {
  const header = create(FrameHeaderSchema, init);
  const headerBytes = toBinary(FrameHeaderSchema, header);
  const envelope = Buffer.concat([
    Buffer.of(TAG_FRAME_HEADER, ...varint(headerBytes.length)),
    headerBytes,
    Buffer.of(TAG_FRAME_PAYLOAD, ...varint(payload.length)),
  ]);
  const frameLength = envelope.length + payload.length;
  const session = Buffer.of(TAG_SESSION_FRAME, ...varint(frameLength));
  const start = Buffer.alloc(COPY_DATA_HEADER_BYTES);
  start[0] = COPY_DATA;
  start.writeInt32BE(4 + session.length + frameLength, 1);
  const head = Buffer.concat([start, session, envelope]);
  return {
    header,
    digest: sha256(headerBytes),
    payload,
    parts: [head, payload],
    length: head.length + payload.length,
  };
}

/** Whether a CopyData message holds a frame rather than another SessionMessage. */
export function isFrameMessage(message: Buffer): boolean {
  return message[COPY_DATA_HEADER_BYTES] === TAG_SESSION_FRAME;
}

/**
 * Reads a frame as {@link parseFrame} does, and checks its payload's hash; not its place in a chain (see
 * assertSuccessor). Throws XX001 for a payload that is not the hashed one.
 */
export function decodeFrame(message: Buffer): Frame {
  const frame = parseFrame(message);
  assertHash(frame, sha256(frame.payload));
  return frame;
}

/**
 * Checks a parsed frame's payload against its hash as {@link decodeFrame} does, on another thread. The payload must not
 * change meanwhile.
 */
export async function checkPayload(frame: Frame): Promise<void> {
  assertHash(frame, Buffer.from(await subtle.digest("SHA-256", frame.payload)));
}

function assertHash({ header }: Frame, hash: Buffer): void {
  if (hash.equals(header.payloadSha256)) return;
  throw new NeonError("data_corrupted", `frame ${header.seq} is damaged: its payload has another SHA-256`, {
    party: "source",
  });
}

/**
 * Reads a frame from a whole CopyData message and takes ownership of it: the payload is a view, the header is not, so
 * that it outlives the message. Checks the envelope only. Throws 08P01 for another encoding.
 */
export function parseFrame(message: Buffer): Frame {
  if (
    message.length < COPY_DATA_HEADER_BYTES ||
    message[0] !== COPY_DATA ||
    message.readInt32BE(1) !== message.length - 1
  ) {
    throw malformed("it is not one CopyData message");
  }
  const cursor = { message, offset: COPY_DATA_HEADER_BYTES };
  const frameLength = readLength(cursor, TAG_SESSION_FRAME);
  if (cursor.offset + frameLength !== message.length) throw malformed("its length is not the message's");
  const headerBytes = Buffer.from(readBytes(cursor, TAG_FRAME_HEADER));
  const payload = readBytes(cursor, TAG_FRAME_PAYLOAD);
  if (cursor.offset !== message.length) throw malformed("bytes follow the payload");
  const header = decodeHeader(headerBytes);
  if (header.storedLength !== payload.length) throw malformed("stored_length is not the payload's length");
  return { header, digest: sha256(headerBytes), payload, parts: [message], length: message.length };
}

function decodeHeader(bytes: Buffer): FrameHeader {
  if (bytes.length > MAX_FRAME_HEADER_BYTES)
    throw malformed(`its header is ${bytes.length} bytes long, the limit is ${MAX_FRAME_HEADER_BYTES}`);
  try {
    return fromBinary(FrameHeaderSchema, bytes);
  } catch (cause) {
    throw malformed("its header cannot be parsed", cause);
  }
}

/** Bytes at the beginning of a message that hold its frame's header, tags and lengths of at most four bytes in front. */
export const MAX_FRAME_HEAD_BYTES = COPY_DATA_HEADER_BYTES + 2 * (1 + 4) + MAX_FRAME_HEADER_BYTES;

/**
 * Reads the header of a frame, and its digest, from the first MAX_FRAME_HEAD_BYTES of its message. Nothing else is
 * checked. Throws 08P01 for another encoding.
 */
export function decodeFrameHead(head: Buffer): Pick<Frame, "header" | "digest"> {
  const cursor = { message: head, offset: COPY_DATA_HEADER_BYTES };
  readLength(cursor, TAG_SESSION_FRAME);
  const headerBytes = readBytes(cursor, TAG_FRAME_HEADER);
  return { header: decodeHeader(headerBytes), digest: sha256(headerBytes) };
}

interface Cursor {
  readonly message: Buffer;
  offset: number;
}

function readBytes(cursor: Cursor, tag: number): Buffer {
  const length = readLength(cursor, tag);
  const end = cursor.offset + length;
  if (end > cursor.message.length) throw malformed("a field is longer than the message");
  const bytes = cursor.message.subarray(cursor.offset, end);
  cursor.offset = end;
  return bytes;
}

function readLength(cursor: Cursor, tag: number): number {
  if (cursor.message[cursor.offset++] !== tag)
    throw malformed(`a field other than ${tag >> 3} stands where it is expected`);
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = cursor.message[cursor.offset++];
    if (byte === undefined) throw malformed("it ends inside a length");
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (byte === 0 && shift > 0) throw malformed("a length is not written in its shortest form");
      return value;
    }
  }
  throw malformed("a length is too large");
}

function malformed(reason: string, cause?: unknown): NeonError {
  return new NeonError("protocol_violation", `malformed frame: ${reason}`, { party: "protocol", cause });
}
