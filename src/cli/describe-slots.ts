import { type SourceSlotListResponse, SourceSlotState } from "../../gen/neon/pageserver/v1/service_pb.js";
import { formatBytes, formatTable } from "./format.js";

/** A table of the replication slots on imported servers, and what there is to do about those that cannot be asked. */
export function describeSlots(slots: readonly SourceSlotListResponse[]): string {
  const rows = slots.map((slot) => [
    slot.name,
    slot.branch,
    slot.uri,
    slot.keptBytes === undefined ? "-" : formatBytes(slot.keptBytes),
    describeState(slot),
  ]);
  return formatTable(["SLOT", "BRANCH", "SOURCE", "KEEPS", "STATE"], rows);
}

function describeState({ state, reason, madeAt, name }: SourceSlotListResponse): string {
  const words = {
    [SourceSlotState.UNSPECIFIED]: "unknown",
    [SourceSlotState.IN_USE]: "followed now",
    [SourceSlotState.IDLE]: "nobody follows",
    [SourceSlotState.LOST]: "lost: that server has given it up",
    [SourceSlotState.GONE]: `not there any more; neon slot drop ${name} takes it off this list`,
    [SourceSlotState.UNKNOWN]: `cannot be asked: ${reason ?? "no reason given"}`,
  }[state];
  return madeAt === undefined ? words : `${words}; made by the repository at ${madeAt}`;
}
