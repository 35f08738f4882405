import {
  type DescMessage,
  type DescMethod,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { type Progress, ProgressSchema } from "../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../errors.js";
import type { Connection, Notice, ResultSet } from "../pgwire/connection.js";
import { commandName } from "./command/commands.js";
import { formatCommand } from "./command/format-command.js";
import { readRow } from "./command/row.js";

/** What a call takes besides its request. */
export interface CallOptions {
  /** Called with the command's progress. Asks for it, where the command has an argument `progress`. */
  onProgress?(progress: Progress): void;
  /** Called with every other notice. */
  onNotice?(notice: Notice): void;
  /** Cancels the command at the server. */
  readonly signal?: AbortSignal | undefined;
}

/** A method with the types of its messages, as `PageServerService.method` holds it. */
export type TypedMethod<Kind extends DescMethod["methodKind"]> = DescMethod & { readonly methodKind: Kind };

/** Calls a unary command and gives its one row. Throws the server's error, or 08P01 for an answer of another shape. */
export async function call<M extends TypedMethod<"unary">>(
  connection: Connection,
  method: M,
  request: MessageInitShape<M["input"]>,
  options: CallOptions = {},
): Promise<MessageShape<M["output"]>> {
  const rows = await run(connection, method, request, options);
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw unexpected(method, `${rows.length} rows instead of one`);
  return row;
}

/** Calls a server-streaming command and gives its rows. Errors as {@link call}. */
export async function callStream<M extends TypedMethod<"server_streaming">>(
  connection: Connection,
  method: M,
  request: MessageInitShape<M["input"]>,
  options: CallOptions = {},
): Promise<MessageShape<M["output"]>[]> {
  return run(connection, method, request, options);
}

async function run<M extends DescMethod>(
  connection: Connection,
  method: M,
  request: MessageInitShape<M["input"]>,
  options: CallOptions,
): Promise<MessageShape<M["output"]>[]> {
  const wantsProgress = options.onProgress !== undefined && method.input.field.progress !== undefined;
  const sql = formatCommand(method, wantsProgress ? { ...request, progress: true } : request);
  const results = await connection.query(sql, {
    signal: options.signal,
    onNotice: (notice) => deliver(notice, options),
  });
  const [result] = results;
  if (result === undefined || results.length > 1) throw unexpected(method, `${results.length} result sets`);
  return readRows(method.output, result) as MessageShape<M["output"]>[];
}

function readRows(descriptor: DescMessage, result: ResultSet): unknown[] {
  return result.rows.map((values) => readRow(descriptor, result.fields, values));
}

/** Progress travels as a notice with SQLSTATE 00000 and the message's JSON as detail; other notices are for people. */
function deliver(notice: Notice, options: CallOptions): void {
  const progress = notice.code === "00000" ? parseProgress(notice.detail) : undefined;
  if (progress === undefined) options.onNotice?.(notice);
  else options.onProgress?.(progress);
}

function parseProgress(detail: string | undefined): Progress | undefined {
  if (detail === undefined) return undefined;
  try {
    return fromJsonString(ProgressSchema, detail, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

function unexpected(method: DescMethod, what: string): NeonError {
  return new NeonError("protocol_violation", `the page server answered ${commandName(method)} with ${what}`, {
    party: "protocol",
  });
}
