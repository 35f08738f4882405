import { NeonError } from "../errors.js";
import { buildMessage, byte, cstring, int16, type Part } from "./build-message.js";
import type { Notice } from "./connection.js";
import type { CopyBoth } from "./copy-both.js";
import { CopyStream } from "./copy-stream.js";
import { errorResponse, noticeResponse, parseCopyFail } from "./error-fields.js";
import { connectionLost, type Message, type MessageReader } from "./message-reader.js";
import { Backend, describeType, Frontend } from "./message-types.js";
import type { MessageWriter } from "./message-writer.js";
import type { Reply } from "./server-handler.js";

/** What a reply needs of its session. */
export interface ReplyOwner {
  /** Is called before CopyBothResponse leaves: the limits for the client's messages change with it. */
  openCopy(): void;
  /** The client has said that it leaves. */
  leave(reason: NeonError): void;
}

/** The answer to one Query, written to its client. */
export class ServerReply implements Reply {
  readonly #reader: MessageReader;
  readonly #writer: MessageWriter;
  readonly #owner: ReplyOwner;
  #tag: Buffer | undefined;
  #copy: CopyStream | undefined;

  constructor(reader: MessageReader, writer: MessageWriter, owner: ReplyOwner) {
    this.#reader = reader;
    this.#writer = writer;
    this.#owner = owner;
  }

  /** The copy, once it was opened. */
  get copy(): CopyStream | undefined {
    return this.#copy;
  }

  /** See Reply. */
  rowDescription(fields: readonly { name: string; dataTypeID: number }[]): void {
    // A row inside a copy would be no protocol. What this cannot send, the next message cannot either, and says so.
    this.#copy?.done().catch(() => {});
    const parts: Part[] = [int16(fields.length)];
    for (const { name, dataTypeID } of fields) {
      // No table, no attribute; a length of -1 (varies), no modifier, text format.
      parts.push(cstring(name), 0, int16(0), dataTypeID | 0, int16(-1), -1, int16(0));
    }
    this.#writer.send(buildMessage(Backend.RowDescription, ...parts));
  }

  /** See Reply. */
  async dataRow(values: readonly (string | null)[]): Promise<void> {
    const parts: Part[] = [int16(values.length)];
    for (const value of values) {
      if (value === null) {
        parts.push(-1);
      } else {
        const bytes = Buffer.from(value, "utf8");
        parts.push(bytes.length, bytes);
      }
    }
    this.#writer.send(buildMessage(Backend.DataRow, ...parts));
    return this.#writer.ready();
  }

  /** See Reply. */
  commandComplete(tag: string): void {
    this.#tag = buildMessage(Backend.CommandComplete, cstring(tag));
  }

  /** See Reply. */
  emptyQuery(): void {
    this.#tag = buildMessage(Backend.EmptyQueryResponse);
  }

  /** See Reply. */
  notice(notice: Notice): void {
    try {
      this.#writer.send(noticeResponse(notice));
    } catch {
      // The client is gone, which the command's signal says. Notices also come from timers, where nobody could catch.
    }
  }

  /** See Reply. */
  copyBoth(): CopyBoth {
    if (this.#copy !== undefined) throw new NeonError("internal_error", "a command opens CopyBoth once");
    this.#owner.openCopy();
    // Format 0 (text) and no columns, as a walsender answers.
    this.#writer.send(buildMessage(Backend.CopyBothResponse, byte(0), int16(0)));
    this.#copy = new CopyStream(this.#reader, this.#writer, {
      foreign: (message) => foreignInCopy(message, this.#owner),
      failure: (error) => errorResponse(error, "ERROR"),
    });
    return this.#copy;
  }

  /** Ends the answer: CopyDone both ways if there was a copy, then the tag. */
  async finish(): Promise<void> {
    if (this.#copy !== undefined && this.#copy.sent !== "failure") {
      await this.#copy.done();
      await this.#copy.drop();
    }
    if (this.#copy?.sent === "failure") return;
    if (this.#tag === undefined) throw new NeonError("internal_error", "the command gave no answer");
    this.#writer.send(this.#tag);
  }
}

/** What a client may send during a copy besides CopyData and CopyDone. */
function foreignInCopy({ type, body }: Message, owner: ReplyOwner): void {
  switch (type) {
    case Frontend.CopyFail:
      throw parseCopyFail(body);
    case Frontend.Flush:
    case Frontend.Sync:
      return;
    case Frontend.Terminate: {
      const reason = connectionLost();
      owner.leave(reason);
      throw reason;
    }
    default: {
      const text = `The client sent a message of type ${describeType(type)} during a copy`;
      throw new NeonError("protocol_violation", text, { party: "protocol" });
    }
  }
}
