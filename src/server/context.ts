import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProgressSchema } from "../../gen/neon/pageserver/v1/service_pb.js";
import type { SerialQueue } from "../serial-queue.js";
import type { Store } from "../timeline/store.js";
import type { BranchClaims } from "./branch-claims.js";
import type { Logger } from "./log.js";

/** What the handlers of all commands share: the repository and its page server. */
export interface ServerContext {
  /** The `.neon` directory. */
  readonly directory: string;
  readonly store: Store;
  readonly log: Logger;
  /** Names of branches that running imports create or append to. */
  readonly claims: BranchClaims;
  /** Changes of config.toml, one at a time. */
  readonly configChanges: SerialQueue;
  readonly startedAt: Date;
  /** Aborts when the page server begins to end: what goes on by itself (`follow`) comes to its end then. */
  readonly closing: AbortSignal;
  /** host:port of the TCP listener; undefined if there is none. */
  readonly listenAddress: string | undefined;
}

/** What a handler gets besides its request. */
export interface Context extends ServerContext {
  /** Aborts when the client cancels or is gone, or the page server ends. Its reason is a NeonError. */
  readonly signal: AbortSignal;
  /** What the log is to say of the command besides its text. */
  readonly facts: Record<string, unknown>;
  /** Tells the client something that is no error. */
  notice(text: string): void;
  /** Tells the client how far the command has come, if its request asks for that. */
  progress(progress: MessageInitShape<typeof ProgressSchema>): void;
}
