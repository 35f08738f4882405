import {
  PageServerService,
  type ServerStatusResponse,
  type SourceSlotListResponse,
} from "../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../errors.js";
import type { Connection } from "../pgwire/connection.js";
import { call, callStream } from "../server/call.js";
import { connectHolder } from "./connect-holder.js";

/** Asks whoever holds the repository what it is. Undefined if nobody answers. */
export function findHolder(neonDirectory: string): Promise<ServerStatusResponse | undefined> {
  return ask(neonDirectory, (connection) => call(connection, PageServerService.method.serverStatus, {}));
}

/** Asks whoever holds the repository for its slots on imported servers. None if nobody answers. */
export async function listSlots(neonDirectory: string): Promise<SourceSlotListResponse[]> {
  const { sourceSlotList } = PageServerService.method;
  return (await ask(neonDirectory, (connection) => callStream(connection, sourceSlotList, {}))) ?? [];
}

async function ask<T>(
  neonDirectory: string,
  question: (connection: Connection) => Promise<T>,
): Promise<T | undefined> {
  const connection = await connectHolder(neonDirectory);
  if (connection === undefined) return undefined;
  try {
    return await question(connection);
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
