import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";

/** How a key or a value of the index is written as bytes. Keys are ordered by their bytes. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  /** Takes ownership of `bytes`. */
  decode(bytes: Uint8Array): T;
}

/** Text in UTF-8. */
export const TEXT: Codec<string> = {
  encode: (text) => Buffer.from(text),
  decode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(),
};

/** A place in a timeline: the id of that in hex, and the number of a frame. */
export type Place = readonly [timelineId: string, seq: number];

/** Places, those of one timeline together and in the order of their numbers. */
export const PLACE: Codec<Place> = {
  encode: ([timelineId, seq]) => {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt(seq));
    return Buffer.concat([Buffer.from(timelineId), number]);
  },
  decode: (bytes) => {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    return [key.toString("latin1", 0, key.length - 8), Number(key.readBigUInt64BE(key.length - 8))];
  },
};

/** Messages of one schema. */
export function message<T extends Message>(schema: GenMessage<T>): Codec<T> {
  return {
    encode: (value) => toBinary(schema, value),
    decode: (bytes) => fromBinary(schema, bytes),
  };
}
