import { createReadStream, createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { runProgram } from "./run-program.js";

/**
 * Copies files to another process over TCP, which writes them to one file and syncs it: what any transfer between two
 * processes has to do at least. Resolves when the copy is durable.
 */
export async function rawCopy(files: readonly string[], target: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const connected = new Promise<import("node:net").Socket>((resolve) => server.once("connection", resolve));
  const { port } = server.address() as AddressInfo;
  const receiver = runProgram(process.execPath, [fileURLToPath(import.meta.url), String(port), target]);
  const socket = await connected;
  for (const file of files)
    await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), socket, { end: false });
  socket.end();
  await receiver;
  server.close();
  await rm(target);
}

async function receive(port: number, target: string): Promise<void> {
  // flush: fsync before the file is closed
  await pipeline(
    connect(port, "127.0.0.1"),
    createWriteStream(target, { highWaterMark: 1 << 20, flush: true }),
  );
}

const [, program, port, target] = process.argv;
if (program === fileURLToPath(import.meta.url) && target !== undefined) await receive(Number(port), target);
