import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { RecordBatchSchema, RecordSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";

/** A record as it is given to a writer. */
export type RecordInit = MessageInitShape<typeof RecordSchema>;

/** The records whose last field is their bytes, all but a few bytes of the whole: where each keeps them. */
const BYTES_FIELD = { pageImages: "pages", filePiece: "data", wal: "data" } as const;

const TAG_RECORD = 0x0a; // RecordBatch.records, length-delimited
const TAG_BYTES = 0x1a; // field 3, length-delimited, of each message in BYTES_FIELD

/** One record in parts: everything before its large bytes, and these. */
interface Parts {
  readonly head: Uint8Array;
  readonly bytes: Uint8Array;
}

/**
 * Serializes records as a RecordBatch, byte for byte as protobuf-es does, which copies large fields three times on the
 * way: here they are copied once, into what `allocate` gives for the exact length in bytes.
 */
export function encodeRecordBatch(records: RecordInit[], allocate: (length: number) => Buffer): Buffer {
  const all = records.map(partsOf);
  const content = allocate(all.reduce((sum, { head, bytes }) => sum + head.length + bytes.length, 0));
  let offset = 0;
  for (const { head, bytes } of all) {
    content.set(head, offset);
    content.set(bytes, offset + head.length);
    offset += head.length + bytes.length;
  }
  return content;
}

function partsOf(init: RecordInit): Parts {
  const { record } = init;
  if (record?.case !== "pageImages" && record?.case !== "filePiece" && record?.case !== "wal") {
    return {
      head: toBinary(RecordBatchSchema, create(RecordBatchSchema, { records: [init] })),
      bytes: NOTHING,
    };
  }
  const field = BYTES_FIELD[record.case];
  const bytes = (record.value as { [name: string]: Uint8Array | undefined })[field] ?? NOTHING;
  const rest = { case: record.case, value: { ...record.value, [field]: NOTHING } } as RecordInit["record"];
  const short = toBinary(RecordSchema, create(RecordSchema, { record: rest } as RecordInit));
  // short: the oneof's tag and length, then the message without its bytes.
  const tag = short[0];
  const message = short.subarray(1 + varintLength(short, 1));
  const bytesTag = bytes.length === 0 ? [] : [TAG_BYTES, ...varint(bytes.length)];
  const messageLength = message.length + bytesTag.length + bytes.length;
  const recordHead = [tag, ...varint(messageLength)];
  const recordLength = recordHead.length + messageLength;
  const head = Buffer.concat([
    Buffer.of(TAG_RECORD, ...varint(recordLength), ...recordHead),
    message,
    Buffer.from(bytesTag),
  ]);
  return { head, bytes };
}

const NOTHING = new Uint8Array();

function varintLength(bytes: Uint8Array, offset: number): number {
  let end = offset;
  while ((bytes[end] & 0x80) !== 0) end++;
  return end - offset + 1;
}

/** An unsigned integer below 2^31 as a varint, in its shortest form. */
export function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  bytes.push(value);
  return bytes;
}
