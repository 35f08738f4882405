import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CommandListResponseSchema } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { commandName, commandUsage, listCommands } from "../command/commands.js";

/** command_list: a row a command. */
export async function* commandList(): AsyncGenerator<MessageInitShape<typeof CommandListResponseSchema>> {
  for (const method of listCommands()) yield { name: commandName(method), usage: commandUsage(method) };
}
