import {
  BranchRefSchema,
  LeaseSchema,
  SegmentDamageSchema,
  SegmentInfoSchema,
  SourceSlotSchema,
  TimelineInfoSchema,
} from "../../../gen/neon/store/v1/store_pb.js";
import { type Codec, message, PLACE, TEXT } from "./codec.js";

/** Keys and values of one table. */
export interface TableKind<K, V> {
  readonly keys: Codec<K>;
  readonly values: Codec<V>;
}

/**
 * Every table of the index. They are made with the repository, all of them and no other: a store whose index has other
 * tables is damaged.
 */
export const TABLES = {
  /** By branch name. */
  branch: kind(TEXT, message(BranchRefSchema)),
  /** By timeline id (hex). */
  timeline: kind(TEXT, message(TimelineInfoSchema)),
  /** Segment id (hex) by the timeline and the number of the segment's first frame. */
  extent: kind(PLACE, TEXT),
  /** By segment id (hex). */
  segment: kind(TEXT, message(SegmentInfoSchema)),
  /** By segment id (hex). Nearly always empty. */
  damage: kind(TEXT, message(SegmentDamageSchema)),
  /** By timeline id (hex). */
  lease: kind(TEXT, message(LeaseSchema)),
  /** By `name@address` of the slot. Nothing else knows them: not to be rebuilt from segments. */
  slot: kind(TEXT, message(SourceSlotSchema)),
};

/** Name of a table of the index. */
export type TableName = keyof typeof TABLES;

/** Name of the table with the sums of all others. Its only key is its name. */
export const STATE = "state";

/** Keys of a table. */
export type KeyOf<N extends TableName> = (typeof TABLES)[N]["keys"] extends Codec<infer K> ? K : never;

/** Values of a table. */
export type ValueOf<N extends TableName> = (typeof TABLES)[N]["values"] extends Codec<infer V> ? V : never;

function kind<K, V>(keys: Codec<K>, values: Codec<V>): TableKind<K, V> {
  return { keys, values };
}

/** Names of all tables but {@link STATE}. */
export const TABLE_NAMES = Object.keys(TABLES) as TableName[];
