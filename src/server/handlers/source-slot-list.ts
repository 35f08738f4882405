import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type SourceSlotListRequest,
  type SourceSlotListResponseSchema,
  SourceSlotState,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { Context } from "../context.js";
import { repositoryPlace } from "../follow-slot-name.js";

const STATES = {
  "in use": SourceSlotState.IN_USE,
  idle: SourceSlotState.IDLE,
  lost: SourceSlotState.LOST,
  gone: SourceSlotState.GONE,
  unknown: SourceSlotState.UNKNOWN,
} as const;

/** source_slot_list: a row for each replication slot that was made on an imported server. */
export async function* sourceSlotList(
  _request: SourceSlotListRequest,
  { directory, store, claims, signal }: Context,
): AsyncGenerator<MessageInitShape<typeof SourceSlotListResponseSchema>> {
  const slots = store.sourceSlots.list();
  if (slots.length === 0) return;
  const { askSourceSlots } = await import("../../postgres/source-slots.js");
  const findings = await askSourceSlots(slots, signal);
  for (const [i, { name, branch, uri, systemIdentifier, createdAt, place }] of slots.entries()) {
    const { state = "unknown", keptBytes, restartLsn, reason } = findings[i] ?? {};
    const madeHere = place === repositoryPlace(directory);
    const followed = state === "idle" && madeHere && claims.isHeld(branch);
    yield {
      name,
      branch,
      uri,
      systemIdentifier,
      ...(createdAt !== undefined && { createdAt }),
      state: STATES[followed ? "in use" : state],
      ...(keptBytes !== undefined && { keptBytes }),
      ...(restartLsn !== undefined && { restartLsn }),
      ...(reason !== undefined && { reason }),
      ...(madeHere ? {} : { madeAt: place }),
    };
  }
}
