import { create } from "@bufbuild/protobuf";
import {
  type Answer,
  Decision,
  type Divergence,
  DivergenceSchema,
} from "../../gen/neon/pageserver/v1/session_pb.js";
import type { Lsn } from "../lsn.js";
import type { Head } from "../timeline/head.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";

/** How a session ended, the same at both ends. */
export interface Outcome {
  readonly decision: Decision;
  /** Whether the receiver's branch moved, or would have: false after a refusal, and where there was nothing to do. */
  readonly accepted: boolean;
  /** Whether the frames were only counted. */
  readonly dryRun: boolean;
  /** Where the receiver's branch stands; undefined if it still lacks the branch. */
  readonly head: Head | undefined;
  /** Frames that travelled, or would have. */
  readonly frames: number;
  /** Bytes of these frames on the wire. */
  readonly bytes: number;
  /** Where these frames begin. */
  readonly startLsn: Lsn;
  /** The branch that keeps what a forced one pointed to, or would. */
  readonly recoveryBranch: string | undefined;
  /**
   * Frames of the receiver's branch that travelled, or would have, since those that it stood on are damaged; 0 if the
   * receiver had good ones elsewhere. Undefined if there was nothing to repair.
   */
  readonly repairedFrames: number | undefined;
  /** What the two branches are to each other. */
  readonly divergence: Divergence;
}

/** How far a session has come, in bytes of frames. */
export interface SessionProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}

/** The outcome of a session that ends with the answer. */
export function endedByAnswer(answer: Answer, source: Head): Outcome {
  const head = answer.head && fromHeadMessage(answer.head);
  return {
    decision: answer.decision,
    accepted: false,
    dryRun: answer.dryRun,
    head,
    frames: 0,
    bytes: 0,
    startLsn: answer.decision === Decision.UP_TO_DATE ? source.lsn : 0n,
    recoveryBranch: undefined,
    repairedFrames: undefined,
    divergence: divergenceOf(answer, source),
  };
}

/** What moved, or would have, in a session that goes on after its answer. */
export interface Transferred {
  readonly dryRun: boolean;
  readonly frames: number;
  readonly bytes: number;
  readonly startLsn: Lsn;
  readonly recoveryBranch: string | undefined;
}

/** The outcome of a session whose answer wants frames. `source` is the sender's head. */
export function endedByTransfer(answer: Answer, source: Head, transferred: Transferred): Outcome {
  return {
    decision: answer.decision,
    accepted: true,
    head: transferred.dryRun ? answer.head && fromHeadMessage(answer.head) : source,
    repairedFrames: repairedFrames(answer),
    divergence: divergenceOf(answer, source),
    ...transferred,
  };
}

/** What an answer says of the two branches. */
function divergenceOf(answer: Answer, source: Head): Divergence {
  const { decision, common, head: destination } = answer;
  return create(DivergenceSchema, { decision, common, source: toHeadMessage(source), destination });
}

/** See {@link Outcome.repairedFrames}. `answer` is one that wants frames. */
function repairedFrames({ decision, common, have }: Answer): number | undefined {
  const [shared, held] = [Number(common?.seq ?? -1n), Number(have?.seq ?? -1n)];
  return decision === Decision.UP_TO_DATE || held < shared ? Math.max(0, shared - held) : undefined;
}
