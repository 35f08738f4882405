import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import type { ExecutionContext } from "ava";

/** A TCP relay that can fall silent, as a network does whose cable was pulled: nothing passes, and nobody is told. */
export interface SilentProxy {
  readonly port: number;
  /** From now on nothing passes, no byte and no word of a close, of the connections that there are. New ones pass. */
  fallSilent(): void;
  /** What waited passes on, and all that follows. */
  revive(): void;
  /** Resets the connections that there are, as two ends that come back and know each other no more. */
  reset(): void;
}

/** Makes a proxy to a port of this host. */
export async function silentProxy(t: ExecutionContext, port: number): Promise<SilentProxy> {
  const sockets = new Set<Socket>();
  const silent = new Set<Socket>();
  const closed = new Map<Socket, Socket>();
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      if (silent.has(from)) closed.set(from, to);
      else to.destroy();
    });
    from.pipe(to);
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
  return {
    port: (server.address() as AddressInfo).port,
    fallSilent: () => {
      for (const socket of sockets) {
        silent.add(socket);
        // A pipe would be resumed by its other end's "drain".
        socket.unpipe();
        socket.pause();
      }
    },
    revive: () => {
      const pairs = [...sockets];
      for (const [i, socket] of pairs.entries()) {
        if (silent.delete(socket)) socket.pipe(pairs[i ^ 1]);
      }
      for (const to of closed.values()) to.destroy();
    },
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
      sockets.clear();
    },
  };
}
