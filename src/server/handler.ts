import type { DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { SessionMessageSchema } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { CopyBoth } from "../pgwire/copy-both.js";
import type { Context } from "./context.js";

/** Answers with one row. */
export type UnaryHandler<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: Context,
) => Promise<MessageInitShape<M["output"]>>;

/** Answers with a row a message. */
export type StreamingHandler<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: Context,
) => AsyncIterable<MessageInitShape<M["output"]>>;

/** Converses in CopyBoth, which begins when it calls `open`; until then it can refuse with a plain error. */
export type CopyBothHandler<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: Context,
  open: () => CopyBoth,
) => Promise<void>;

/** The handler that a method of the schema wants. Methods whose output is SessionMessage are the copy_both ones. */
export type Handler<M extends DescMethod> = M["output"] extends typeof SessionMessageSchema
  ? CopyBothHandler<M>
  : M["methodKind"] extends "unary"
    ? UnaryHandler<M>
    : M["methodKind"] extends "server_streaming"
      ? StreamingHandler<M>
      : never;
