import type { DescMessage } from "@bufbuild/protobuf";
import { NeonError } from "./errors.js";

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/**
 * Throws 54000 if a serialized message has more than `limit` fields, those of the messages in it counted too. To be asked
 * before a message of somebody else's is decoded: a field can be two bytes long, and what the decoder makes of it two
 * hundred times as much. Costs nothing worth naming, since bytes and texts are skipped. What is malformed is left to the
 * decoder.
 */
export function assertFieldCount(message: DescMessage, bytes: Uint8Array, limit: number): void {
  if (count(message, bytes, 0, bytes.length, limit) <= limit) return;
  throw new NeonError("program_limit_exceeded", `a message has more than ${limit} fields`, {
    party: "protocol",
  });
}

/** Fields between `start` and `end`; counting ends beyond `limit`. */
function count(message: DescMessage, bytes: Uint8Array, start: number, end: number, limit: number): number {
  const inner = messagesIn(message);
  let fields = 0;
  for (let offset = start; offset < end && fields <= limit; ) {
    fields++;
    const tag = varint(bytes, offset);
    offset = tag.end;
    switch (tag.value & 7) {
      case VARINT:
        offset = varint(bytes, offset).end;
        break;
      case FIXED64:
        offset += 8;
        break;
      case FIXED32:
        offset += 4;
        break;
      case LENGTH_DELIMITED: {
        const length = varint(bytes, offset);
        offset = length.end + length.value;
        const within = inner.get(tag.value >>> 3);
        if (within !== undefined && offset <= end)
          fields += count(within, bytes, length.end, offset, limit - fields);
        break;
      }
      default:
        return fields;
    }
  }
  return fields;
}

/** The value is that of the low 32 bits. */
function varint(bytes: Uint8Array, start: number): { value: number; end: number } {
  let value = 0;
  let end = start;
  for (let shift = 0; end < bytes.length; shift += 7) {
    const byte = bytes[end++];
    if (shift < 32) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return { value: value >>> 0, end };
}

const KNOWN = new WeakMap<DescMessage, Map<number, DescMessage>>();

/** The fields that are messages, by number. */
function messagesIn(message: DescMessage): Map<number, DescMessage> {
  let inner = KNOWN.get(message);
  if (inner === undefined) {
    inner = new Map();
    for (const field of message.fields) {
      if (field.message !== undefined) inner.set(field.number, field.message);
    }
    KNOWN.set(message, inner);
  }
  return inner;
}
