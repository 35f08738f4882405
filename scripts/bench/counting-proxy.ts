import { type AddressInfo, connect, createServer } from "node:net";

/** A TCP relay that counts. */
export interface CountingProxy {
  /** A connection URI that leads through it. */
  readonly uri: string;
  /** Bytes in both directions since it was last asked. */
  take(): number;
  /** Times that the server spoke after the client had spoken, since it was last asked. */
  takeRoundTrips(): number;
  close(): void;
}

/** Relays to a page server on loopback. */
export async function startCountingProxy(port: number): Promise<CountingProxy> {
  let bytes = 0;
  let roundTrips = 0;
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    let spokeLast = upstream;
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("data", (chunk) => {
        bytes += chunk.length;
        if (from === upstream && spokeLast === client) roundTrips++;
        spokeLast = from;
      });
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    uri: `postgresql://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    take() {
      const taken = bytes;
      bytes = 0;
      return taken;
    },
    takeRoundTrips() {
      const taken = roundTrips;
      roundTrips = 0;
      return taken;
    },
    close: () => server.close(),
  };
}
