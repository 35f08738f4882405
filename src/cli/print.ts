import type { Message } from "@bufbuild/protobuf";
import type { Json } from "../server/command/message-json.js";
import type { GlobalArguments } from "./global-arguments.js";

/** What a command can print as JSON: a message of the schema, several, or a plain object. */
export type Result = Message | readonly Message[] | { readonly [key: string]: Json };

/** Prints a command's result on stdout: `text` for people, or `result` as one line of JSON. */
export async function print(args: GlobalArguments, result: Result, text: string): Promise<void> {
  if (!args.json) return writeTo(process.stdout, text === "" ? "" : `${text}\n`);
  return writeTo(process.stdout, `${JSON.stringify(await resultJson(result))}\n`);
}

async function resultJson(result: Result) {
  if (!isMessages(result) && !isMessage(result)) return result;
  const { messageJson } = await import("../server/command/message-json.js");
  return isMessages(result) ? result.map(messageJson) : messageJson(result);
}

function isMessages(result: Result): result is readonly Message[] {
  return Array.isArray(result);
}

function isMessage(result: Exclude<Result, readonly Message[]>): result is Message {
  return "$typeName" in result;
}

/** Resolves when the text is written, or when there is nobody who reads it. */
export function writeTo(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}

let terminalGone = false;

/** Whether the terminal that this process wrote to is gone. */
export function lostTerminal(): boolean {
  return terminalGone;
}

/**
 * Says what becomes of output that cannot be written. `neon branch list | head -1` is no error, and neither is a closed
 * terminal, which can leave a process without a signal: what nobody reads is dropped. For everything else on stdout, such
 * as a full disk, `fail` is called. Never throws: an error about stderr would be written to stderr again.
 */
export function watchOutput(fail: (error: Error) => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (stream.isTTY) terminalGone = true;
      else if (error.code !== "EPIPE" && stream === process.stdout) fail(error);
    });
  }
}
