import { PageServerService, type ServerStatusResponse } from "../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../errors.js";
import { call } from "../server/call.js";
import { connectHolder } from "./connect-holder.js";

/** Asks whoever holds the repository what it is. Undefined if nobody answers. */
export async function findHolder(neonDirectory: string): Promise<ServerStatusResponse | undefined> {
  const connection = await connectHolder(neonDirectory);
  if (connection === undefined) return undefined;
  try {
    return await call(connection, PageServerService.method.serverStatus, {});
  } finally {
    await connection.close();
  }
}

/** The page server that `neon start` started here. Throws 55000 if there is none, also where a command stands in. */
export async function requireServer(
  neonDirectory: string,
): Promise<ServerStatusResponse & { listen: string }> {
  const holder = await findHolder(neonDirectory);
  if (holder?.listen !== undefined) return { ...holder, listen: holder.listen };
  throw new NeonError("object_not_in_prerequisite_state", `no page server is running for ${neonDirectory}`, {
    hint:
      holder === undefined
        ? "neon start starts one."
        : `Another neon command (pid ${holder.pid}) holds the repository as long as it runs.`,
  });
}
