import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import type { ExecutionContext } from "ava";

/** A TCP proxy that stops in the middle: what is waiting there can be killed at its leisure. */
export interface StallingProxy {
  readonly port: number;
  /** Resolves when it has passed on what it may, and drops everything else. */
  readonly stalled: Promise<void>;
}

/** Makes a proxy to a port of this host that passes on `bytes` bytes in all, both ways and over all connections. */
export async function stallingProxy(
  t: ExecutionContext,
  port: number,
  bytes: number,
): Promise<StallingProxy> {
  let left = bytes;
  let stall = () => {};
  const stalled = new Promise<void>((resolve) => {
    stall = resolve;
  });
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => to.destroy());
    from.on("data", (chunk) => {
      // What comes later is read and dropped, since a socket that is not read does not say that its other end is gone.
      if (left > 0) to.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) stall();
    });
  };
  const server = createServer((near) => {
    const far = dial({ host: "127.0.0.1", port });
    pass(near, far);
    pass(far, near);
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, stalled };
}
