/** A part of a message: a number is an int32. */
export type Part = number | Buffer;

/** Builds a message: type byte, length, parts. Numbers are int32. Without a type byte for type 0. */
export function buildMessage(type: number, ...parts: Part[]): Buffer {
  let length = 4;
  for (const part of parts) length += typeof part === "number" ? 4 : part.length;
  const start = type === 0 ? 0 : 1;
  const message = Buffer.allocUnsafe(start + length);
  if (type !== 0) message[0] = type;
  message.writeInt32BE(length, start);
  let offset = start + 4;
  for (const part of parts) {
    if (typeof part === "number") offset = message.writeInt32BE(part, offset);
    else offset += part.copy(message, offset);
  }
  return message;
}

/** A text that ends with a NUL. A NUL inside would end it early, so it is left out. */
export function cstring(text: string): Buffer {
  return Buffer.from(`${text.replaceAll("\0", "")}\0`, "utf8");
}

/** An int16. */
export function int16(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(2);
  buffer.writeInt16BE(value);
  return buffer;
}

/** A single byte. */
export function byte(value: number): Buffer {
  return Buffer.of(value);
}
