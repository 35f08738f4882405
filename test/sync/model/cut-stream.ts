import type { CopyBoth, CopyMessage } from "../../../src/pgwire/copy-both.js";

/** Where a conversation breaks off: before the message number `after`, from 0, that one end reads or writes. */
export interface Cut {
  readonly end: "dialled" | "served";
  readonly direction: "read" | "write";
  readonly after: number;
}

/** One end's stream, on which `cut` is called instead of handing over message `after` in the given direction. */
export function cutStream(stream: CopyBoth, { direction, after }: Cut, cut: () => Promise<void>): CopyBoth {
  let passed = 0;
  const pass = async () => {
    if (passed++ === after) await cut();
  };
  if (direction === "read") {
    return {
      get bytesRead() {
        return stream.bytesRead;
      },
      read: () => ({
        [Symbol.asyncIterator]: () => {
          const messages = stream.read()[Symbol.asyncIterator]() as AsyncIterator<CopyMessage, undefined>;
          return {
            next: async () => {
              await pass();
              return messages.next();
            },
          };
        },
      }),
      write: (data) => stream.write(data),
      writeMessages: (messages) => stream.writeMessages(messages),
      done: () => stream.done(),
      fail: (error) => stream.fail(error),
    };
  }
  return {
    get bytesRead() {
      return stream.bytesRead;
    },
    read: () => stream.read(),
    write: async (data) => {
      await pass();
      await stream.write(data);
    },
    writeMessages: async (messages) => {
      for (let offset = 0; offset < messages.length; ) {
        await pass();
        const end = offset + 1 + Buffer.from(messages.buffer, messages.byteOffset + offset).readInt32BE(1);
        await stream.writeMessages(messages.subarray(offset, end));
        offset = end;
      }
    },
    done: async () => {
      await pass();
      await stream.done();
    },
    fail: (error) => stream.fail(error),
  };
}
