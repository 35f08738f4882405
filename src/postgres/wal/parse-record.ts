import { BLOCK_SIZE } from "../../limits.js";
import { walDamage } from "./wal-damage.js";
import { RECORD_HEADER_SIZE, type WalRecord } from "./wal-record.js";

/** A block that a record changes. */
export interface BlockReference {
  /** The relation's tablespace, database and file node number. */
  readonly tablespaceOid: number;
  readonly databaseOid: number;
  readonly relationNumber: number;
  /** 0 main, 1 free space map, 2 visibility map, 3 initialization fork. */
  readonly forkNumber: number;
  readonly block: number;
  /** The record holds an image of the whole page, to be restored or for consistency checks only. */
  readonly image: "none" | "apply" | "check";
  /** Redo makes the page anew, whatever was there. */
  readonly initializes: boolean;
}

/** A record taken apart. */
export interface ParsedRecord {
  readonly blocks: BlockReference[];
  /** The resource manager's own data: a view of the record's bytes. */
  readonly mainData: Buffer;
}

const MAX_BLOCK_ID = 32;
const ID_TOPLEVEL_XID = 252;
const ID_ORIGIN = 253;
const ID_DATA_LONG = 254;
const ID_DATA_SHORT = 255;

const HAS_IMAGE = 0x10;
const HAS_DATA = 0x20;
const WILL_INIT = 0x40;
const SAME_RELATION = 0x80;

const IMAGE_HAS_HOLE = 0x01;

/** 15 has three ways to compress an image, and moved a flag for them. */
const IMAGE_FLAGS = {
  14: { compressed: 0x02, apply: 0x04 },
  since15: { compressed: 0x1c, apply: 0x02 },
};

/** Finds a record's block references and its main data. Throws XX001 where its parts do not add up to its length. */
export function parseRecord(record: WalRecord): ParsedRecord {
  const { bytes } = record;
  const imageFlags = record.majorVersion === 14 ? IMAGE_FLAGS[14] : IMAGE_FLAGS.since15;
  const blocks: BlockReference[] = [];
  let relation: Pick<BlockReference, "tablespaceOid" | "databaseOid" | "relationNumber"> | undefined;
  let mainLength = 0;
  let dataLength = 0;
  let at = RECORD_HEADER_SIZE;
  const skip = (length: number) => {
    at += length;
    if (at > bytes.length) throw walDamage(record.startLsn, "the record's headers exceed its length");
    return at - length;
  };
  // Headers come first, then the data of all of them: when what remains is the data announced so far, headers end.
  while (bytes.length - at > dataLength) {
    const id = bytes.readUInt8(skip(1));
    if (id === ID_DATA_SHORT || id === ID_DATA_LONG) {
      mainLength = id === ID_DATA_SHORT ? bytes.readUInt8(skip(1)) : bytes.readUInt32LE(skip(4));
      dataLength += mainLength;
      break;
    }
    if (id === ID_ORIGIN) skip(2);
    else if (id === ID_TOPLEVEL_XID) skip(4);
    else if (id > MAX_BLOCK_ID)
      throw walDamage(record.startLsn, `the record has a part of unknown kind ${id}`);
    else {
      const flags = bytes.readUInt8(skip(1));
      const length = bytes.readUInt16LE(skip(2));
      if (((flags & HAS_DATA) !== 0) !== length > 0) {
        throw walDamage(record.startLsn, `the record's data of block ${id} are flagged wrong`);
      }
      dataLength += length;
      let image: BlockReference["image"] = "none";
      if ((flags & HAS_IMAGE) !== 0) {
        const imageLength = bytes.readUInt16LE(skip(2));
        skip(2);
        const info = bytes.readUInt8(skip(1));
        const compressed = (info & imageFlags.compressed) !== 0;
        if (compressed && (info & IMAGE_HAS_HOLE) !== 0) skip(2);
        if (imageLength > BLOCK_SIZE) throw walDamage(record.startLsn, "the record's page image is too long");
        dataLength += imageLength;
        image = (info & imageFlags.apply) !== 0 ? "apply" : "check";
      }
      if ((flags & SAME_RELATION) === 0) {
        const start = skip(12);
        relation = {
          tablespaceOid: bytes.readUInt32LE(start),
          databaseOid: bytes.readUInt32LE(start + 4),
          relationNumber: bytes.readUInt32LE(start + 8),
        };
      }
      if (relation === undefined)
        throw walDamage(record.startLsn, "the record's first block names no relation");
      const block = bytes.readUInt32LE(skip(4));
      const initializes = (flags & WILL_INIT) !== 0;
      blocks.push({ ...relation, forkNumber: flags & 0x0f, block, image, initializes });
    }
  }
  if (bytes.length - at !== dataLength) {
    throw walDamage(record.startLsn, "the record's parts do not add up to its length");
  }
  return { blocks, mainData: bytes.subarray(bytes.length - mainLength) };
}
