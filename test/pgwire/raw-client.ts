import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A message as the tests see it: the letter of its type, and its body as text. */
export interface RawMessage {
  readonly type: string;
  readonly body: string;
}

/** Speaks the protocol byte by byte, by none of the code under test. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #closed = false;
  #wake = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  static async dial(address: string): Promise<RawClient> {
    const [host, port] = address.split(":");
    const socket = address.startsWith("/")
      ? connect({ path: address })
      : connect({ host, port: Number(port) });
    await once(socket, "connect");
    socket.setNoDelay(true);
    return new RawClient(socket);
  }

  /** Dials and starts a session; what came up to ReadyForQuery is dropped. */
  static async start(address: string): Promise<RawClient> {
    const client = await RawClient.dial(address);
    client.socket.write(startup({ user: "u" }));
    await client.until("Z");
    return client;
  }

  send(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The next `length` bytes. */
  async bytes(length: number): Promise<Buffer> {
    while (this.#received.length < length && !this.#closed) await this.#more();
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  /** Messages up to and with the first of a type, or up to the end of the connection. */
  async until(type: string): Promise<RawMessage[]> {
    const messages: RawMessage[] = [];
    for (;;) {
      const header = await this.bytes(5);
      if (header.length < 5) return messages;
      const body = await this.bytes(header.readInt32BE(1) - 4);
      const message = { type: String.fromCharCode(header[0] as number), body: body.toString("latin1") };
      messages.push(message);
      if (message.type === type) return messages;
    }
  }

  /** All messages up to the end of the connection. */
  rest(): Promise<RawMessage[]> {
    return this.until("");
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A message with a type byte. */
export function message(type: string, body: string | Buffer = ""): Buffer {
  const bytes = Buffer.from(body as string, "latin1");
  return Buffer.concat([Buffer.from(type), int32(4 + bytes.length), bytes]);
}

/** A message without one. */
export function untyped(...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(4 + body.length), body]);
}

export function startup(parameters: Record<string, string>, version = 0x30000): Buffer {
  const text = Object.entries(parameters)
    .flat()
    .map((part) => `${part}\0`);
  return untyped(int32(version), Buffer.from(`${text.join("")}\0`));
}

export function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value | 0);
  return buffer;
}

/** The fields of an ErrorResponse or NoticeResponse. */
export function fields(message: RawMessage | undefined): Record<string, string> {
  const parts = (message?.body ?? "").split("\0").filter((part) => part !== "");
  return Object.fromEntries(parts.map((part) => [part.slice(0, 1), part.slice(1)]));
}

/** The letters of the messages' types, in order. */
export function types(messages: RawMessage[]): string {
  return messages.map((message) => message.type).join("");
}
