/**
 * The two parties of a sync session. Neither knows which end dialled, nor what is on the other side of the wire.
 */
import type { StartRecord } from "../../gen/neon/pageserver/v1/record_pb.js";
import type { Answer, Decision, Offer } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { FrameRun } from "../timeline/chain-reader.js";
import type { Frame } from "../timeline/frame.js";
import type { Head } from "../timeline/head.js";

/** What frames are read from. */
export interface Source {
  readonly start: StartRecord;
  readonly head: Head;
  /** Frames of the whole chain. */
  readonly frames: number;
  /** Bytes of the whole chain as it travels. */
  readonly bytes: number;
  /** Number and digest of chosen frames, newest first (the schema's Offer.locator). */
  locator(): Promise<{ seq: number; digest: Buffer }[]>;
  /** Whole frames from `firstSeq` to the head. The consumer owns each run. */
  runs(firstSeq: number): AsyncIterable<FrameRun>;
}

/** What frames are appended to. */
export interface Sink {
  /** Compares an offer with the branch that the sink stands for. Changes nothing. */
  answer(offer: Offer): Promise<Answer>;
  /** Prepares for frames. `onDurable` is told the number of the last durable one. */
  begin(onDurable: (seq: bigint) => void): void;
  /** Takes a frame over. Resolves when the next one is welcome. Throws if it does not fit behind the last one. */
  append(frame: Frame): Promise<void>;
  /** Checks that the frames end at `head`, makes them durable and moves the branch, in that order. */
  commit(head: Head): Promise<void>;
  /** Forgets what was appended. The branch is where it was. */
  abort(): Promise<void>;
}

/** How a session ended, the same at both ends. */
export interface Outcome {
  readonly decision: Decision;
  /** Where the receiver's branch stands; undefined if it still lacks the branch. */
  readonly head: Head | undefined;
  /** Frames that travelled. */
  readonly frames: number;
  /** Bytes of these frames on the wire. */
  readonly bytes: number;
}

/** How far a session has come, in bytes of frames that the receiver has acknowledged. */
export interface SessionProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}
