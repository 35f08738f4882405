import { create } from "@bufbuild/protobuf";
import test from "ava";
import { type SourceSlot, SourceSlotSchema } from "../../gen/neon/store/v1/store_pb.js";
import { temporaryStore, writeChain } from "../support/temporary-store.js";

function slot(name: string, branch: string, address = "db:5432"): SourceSlot {
  return create(SourceSlotSchema, {
    name,
    branch,
    address,
    uri: `postgresql://${address}/`,
    place: "here:/r",
  });
}

test("slots are listed until they are taken off, also after reopening; one server's are not another's", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { sourceSlots } = temporary.store;
  const [one, other] = [slot("neon_a", "a"), slot("neon_a", "a", "standby:5432")];
  await sourceSlots.put(one);
  await sourceSlots.put(other);
  await sourceSlots.put({ ...one, uri: "postgresql://me@db:5432/" });
  await temporary.reopen();
  const reopened = temporary.store.sourceSlots;
  t.deepEqual(
    reopened.list().map(({ address, uri }) => [address, uri]),
    [
      ["db:5432", "postgresql://me@db:5432/"],
      ["standby:5432", "postgresql://standby:5432/"],
    ],
  );
  await reopened.remove(one);
  t.deepEqual(reopened.list(), [other]);
});

test("a branch takes its slots along when it gets another name, and leaves them on the list when it is deleted", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store } = temporary;
  await store.createBranch("main", await writeChain(store));
  await store.sourceSlots.put(slot("neon_main", "main"));
  await store.sourceSlots.put(slot("neon_other", "other"));
  await store.renameBranch("main", "prod");
  t.deepEqual(store.sourceSlots.ofBranch("main"), []);
  t.deepEqual(store.sourceSlots.ofBranch("prod"), [slot("neon_main", "prod")]);
  await store.deleteBranch("prod");
  t.is(store.sourceSlots.list().length, 2);
});
