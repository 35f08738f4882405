import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  SourceSlotDropRequest,
  SourceSlotDropResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { SourceSlot } from "../../../gen/neon/store/v1/store_pb.js";
import { NeonError } from "../../errors.js";
import type { Context } from "../context.js";
import { repositoryPlace } from "../follow-slot-name.js";

/** source_slot_drop: drops a replication slot at every server that it was made on, and takes it off the list. */
export async function sourceSlotDrop(
  { name, forget = false }: SourceSlotDropRequest,
  { directory, store, claims, signal }: Context,
): Promise<MessageInitShape<typeof SourceSlotDropResponseSchema>> {
  const slots = store.sourceSlots.list().filter((slot) => slot.name === name);
  if (slots.length === 0) {
    throw new NeonError("undefined_object", `replication slot "${name}" is not on the list`, {
      hint: "neon slot list shows the slots that were made here.",
    });
  }
  const { dropSourceSlot } = await import("../../postgres/source-slots.js");
  const dropped: string[] = [];
  const gone: string[] = [];
  const forgotten: string[] = [];
  let failure: NeonError | undefined;
  for (const slot of slots) {
    if (slot.place === repositoryPlace(directory)) claims.assertFree(slot.branch);
    try {
      const list = forget ? forgotten : (await dropSourceSlot(slot, signal)) ? dropped : gone;
      await store.sourceSlots.remove(slot);
      list.push(slot.address);
    } catch (error) {
      signal.throwIfAborted();
      failure ??= notDropped(slot, error);
    }
  }
  if (failure !== undefined) throw failure;
  return { name, dropped, gone, forgotten };
}

/** The statement stands alone, so that it can be copied. */
function notDropped({ name, address }: SourceSlot, thrown: unknown): NeonError {
  const { code, message, retryable } = NeonError.from(thrown);
  const text = `replication slot "${name}" at ${address} was not dropped: ${message}`;
  const hint = `Drop it there: SELECT pg_drop_replication_slot('${name}'); then neon slot drop ${name} --forget takes it off the list, as it does where that server is gone for good.`;
  return new NeonError(code, text, { hint, retryable, party: "source", cause: thrown });
}
