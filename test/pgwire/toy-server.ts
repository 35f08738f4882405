import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { type Listener, type ListenOptions, listen, type ServerHandler } from "../../src/pgwire/listener.js";

export interface ToyServer extends Listener {
  readonly path: string;
  /** `host:port` */
  readonly tcp: string;
  /** URI of the TCP address. */
  readonly uri: string;
}

/** A directory that is removed after the test. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "neon-test-"));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A listener with a handler of the test, on a unix socket and on a free port. */
export async function toyServer(
  t: ExecutionContext,
  query: ServerHandler["query"],
  options: Partial<ListenOptions> = {},
): Promise<ToyServer> {
  const path = join(await temporaryDirectory(t), "socket");
  const parameters = { server_version: "14.0 (neon test)" };
  const listener = await listen({ path, port: 0, parameters, ...options, handler: { query } });
  t.teardown(() => listener.destroy());
  const tcp = listener.addresses[1] as string;
  return { ...listener, path, tcp, uri: `postgresql://tester@${tcp}/toy` };
}
