import { createServer } from "node:net";

/** The first port from `first` on, of `count`, that nobody listens on at 127.0.0.1; `first` if there is none. */
export async function freePort(first: number, count: number, taken: ReadonlySet<number>): Promise<number> {
  for (let port = first; port < first + count; port++) {
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  return first;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
