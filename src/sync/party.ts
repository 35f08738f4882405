/**
 * The two parties of a sync session. Neither knows which end dialled, nor what is on the other side of the wire.
 */
import type { StartRecord } from "../../gen/neon/pageserver/v1/record_pb.js";
import type { Answer, Offer } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { Lsn } from "../lsn.js";
import type { FrameRun } from "../timeline/chain-reader.js";
import type { Frame } from "../timeline/frame/frame.js";
import type { Head } from "../timeline/head.js";

/** A frame of a chain, named, and how far it counts there (the schema's FramePosition). */
export interface Position {
  readonly seq: number;
  readonly digest: Buffer;
  readonly lsn: Lsn;
}

/** What frames are read from. */
export interface Source {
  readonly start: StartRecord;
  readonly head: Head;
  /** Frames of the whole chain. */
  readonly frames: number;
  /** Bytes of the whole chain as it travels. */
  readonly bytes: number;
  /** Names frames of the chain. None may lie behind the head. */
  positions(seqs: readonly number[]): Promise<Position[]>;
  /** Bytes of the frames from `firstSeq` to the head, as they travel. */
  bytesFrom(firstSeq: number): Promise<number>;
  /** Whole frames from `firstSeq` to the head. The consumer owns each run, up to its `release`. */
  runs(firstSeq: number): AsyncIterable<FrameRun>;
  /** The session is over: nothing more is read. */
  release(): void;
}

/** Asks the sender for frames of its chain by number. */
export type Ask = (seqs: readonly number[]) => Promise<Position[]>;

/** What frames are appended to. */
export interface Sink {
  /**
   * Compares an offer with the branch that the sink stands for, and decides. Changes nothing. Throws 40001 if the
   * branch stands elsewhere than its user expects.
   */
  answer(offer: Offer, ask: Ask): Promise<Answer>;
  /** Prepares for the frames behind the answer's `have`. `onDurable` is told the number of the last durable one. */
  begin(onDurable: (seq: bigint) => void): Promise<void>;
  /**
   * Takes a frame over; calls `release` once it has no more use for its bytes. Resolves when the next one is welcome.
   * Throws if it does not fit behind the last one.
   */
  append(frame: Frame, release: () => void): Promise<void>;
  /**
   * Checks that the frames end at `head`, makes them durable and moves the branch, in that order. Returns the name under
   * which what a forced branch pointed to is kept.
   */
  commit(head: Head): Promise<string | undefined>;
  /** The session has failed. What is durable may be kept for the next attempt; the branch is where it was. */
  abort(): Promise<void>;
}
