import test from "ava";
import { RelationForkName } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { createPostgres, POSTGRES_MAJORS } from "../../../scripts/support/postgres.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { editBranch } from "../../interop/support/edit-branch.js";
import { verifyBranch } from "../../support/verify-branch.js";
import { gatedStore } from "../import/gated-store.js";
import { openStore } from "../import/open-store.js";

const BLOCK = 8192;

/** Page 0 of a relation's main fork in a branch's base backup. */
async function firstPage(store: Store, branch: Branch, node: number): Promise<Buffer> {
  let found: Buffer | undefined;
  for await (const { records } of store.readFrames(branch)) {
    for (const { record } of records) {
      if (record.case !== "pageImages" || !isMain(record.value, node)) continue;
      const { blocks, pages } = record.value;
      if (blocks[0] === 0) found ??= Buffer.from(pages.subarray(0, BLOCK));
    }
  }
  if (found === undefined) throw new Error(`the branch has no relation ${node}`);
  return found;
}

function isMain({ relation }: { relation?: { relationNumber: number; fork: number } }, node: number) {
  return relation?.relationNumber === node && relation.fork === RelationForkName.MAIN;
}

for (const major of POSTGRES_MAJORS) {
  test(`${major}: a page that was torn while it was copied is no damage, one that nothing restores is`, async (t) => {
    const settings = { autovacuum: "off", fsync: "off" };
    const server = await createPostgres({ major, initdb: ["--data-checksums"], settings });
    t.teardown(() => server.remove());
    const store = await openStore(t);
    await server.query("create table busy as select generate_series(1, 1000) as a");
    await server.query("create table quiet as select generate_series(1, 1000) as a");
    await server.query("vacuum");
    await server.query("checkpoint");
    const nodes = await server.query("select pg_relation_filenode('busy'), pg_relation_filenode('quiet')");
    const [busy, quiet] = (nodes[0] as string[]).map(Number);
    const importAs = (branch: string, during: () => Promise<unknown> = async () => {}) =>
      importCluster({ store: gatedStore(store, 1, during), branch, uri: server.uri });
    const before = (await importAs("before")).branch;
    const main = (await importAs("main", () => server.query("update busy set a = a + 1"))).branch;
    await server.query("update quiet set a = a + 1");
    await server.query("checkpoint");
    const after = (await importAs("after")).branch;
    t.is((await verifyBranch({ store, branch: main })).damage, undefined);

    const tear = async (node: number) => {
      const [old, written] = [await firstPage(store, before, node), await firstPage(store, after, node)];
      const torn = Buffer.concat([old.subarray(0, BLOCK / 2), written.subarray(BLOCK / 2)]);
      t.false(torn.equals(old) || torn.equals(written));
      return editBranch(store, main, {
        records(record) {
          const { value } = record.record;
          if (record.record.case === "pageImages" && isMain(record.record.value, node)) {
            const { blocks, pages } = value as typeof record.record.value;
            if (blocks[0] === 0) pages.set(torn);
          }
          return [record];
        },
      });
    };
    const restored = await verifyBranch({ store, branch: await tear(busy) });
    t.is(restored.damage, undefined);
    t.true(restored.pages > 1000);
    const { damage } = await verifyBranch({ store, branch: await tear(quiet) });
    t.regex(
      damage?.text ?? "",
      new RegExp(`^page 0 of relation \\d+/\\d+/${quiet} \\(main\\) fails its checksum, `),
    );
  });
}
