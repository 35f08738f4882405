import { createServer } from "node:net";
import { NeonError } from "../errors.js";

/** A name that this process holds on this machine. */
export interface ExclusiveName {
  /** Gives the name back. The kernel does it when the process dies, however it dies. */
  release(): Promise<void>;
}

/** Longest name in bytes: sun_path without the NUL before and the one after. */
const MAX_NAME_BYTES = 106;

/**
 * Takes a name in Linux's namespace of abstract unix sockets (manual page unix(7)). Resolves to undefined if somebody has
 * it. It does not keep the process alive. The namespace belongs to the network namespace: containers with networks of
 * their own do not see each other's names.
 */
export async function acquireExclusiveName(name: string): Promise<ExclusiveName | undefined> {
  if (process.platform !== "linux") {
    throw new NeonError("feature_not_supported", "abstract unix sockets exist on Linux only");
  }
  if (Buffer.byteLength(name) > MAX_NAME_BYTES || name.includes("\0") || name === "") {
    throw new NeonError("invalid_parameter_value", `"${name}" cannot be the name of an abstract socket`);
  }
  const server = createServer((socket) => socket.destroy());
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(NeonError.from(error));
    });
    server.listen({ path: `\0${name}`, exclusive: true }, () => resolve(true));
  });
  if (!taken) return undefined;
  server.unref();
  server.on("error", () => {});
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}
