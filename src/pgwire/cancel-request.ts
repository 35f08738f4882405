import type { Socket } from "node:net";
import { buildMessage } from "./build-message.js";
import { StartupCode } from "./message-types.js";

/**
 * Sends CancelRequest on a socket of its own (manual: 55.2.9). The server answers nothing, and whether there was anything
 * to cancel shows on the connection itself; so it resolves when the socket is closed, and never throws. As libpq's PQcancel, it does not use TLS.
 */
export async function sendCancelRequest(
  dial: () => Socket,
  processId: number,
  secretKey: number,
): Promise<void> {
  const socket = dial();
  socket.setTimeout(10_000, () => socket.destroy());
  socket.end(buildMessage(0, StartupCode.CancelRequest, processId, secretKey));
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.on("error", () => {}).on("close", () => resolve());
  });
}
