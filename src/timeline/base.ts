import type { StartRecord } from "../../gen/neon/pageserver/v1/record_pb.js";
import type { Predecessor } from "./frame/successor.js";

/** The frames that new ones follow. */
export interface Base {
  /** The timeline that holds the last of them. */
  readonly timelineId: string;
  /** The last of them. */
  readonly predecessor: Predecessor;
  /** Bytes of all of them. */
  readonly bytes: number;
  readonly start: StartRecord;
  readonly startDigest: Buffer;
}
