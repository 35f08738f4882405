import { rm } from "node:fs/promises";
import test, { type ExecutionContext } from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { Connection } from "../../src/pgwire/connection.js";
import { call, callStream } from "../../src/server/call.js";
import { storePath } from "../../src/server/config.js";
import { type TemporaryServer, temporaryServer } from "../support/temporary-server.js";
import { forkWal, growBranch, importedBranch } from "../support/wal-chain.js";
import { flipByte, largestSegment, overwrite } from "./support/flip-byte.js";

const { branchCreate, branchDelete, branchList, branchVerify, collectGarbage, performPull, performPush } =
  PageServerService.method;

const FRAMES = 64n;

interface Scene {
  readonly source: TemporaryServer;
  readonly destination: TemporaryServer;
  readonly near: Connection;
  readonly far: Connection;
  /** Brings branch `main` of the source to the destination. */
  transfer(name?: string, options?: { dryRun?: boolean }): ReturnType<typeof transferOnce>;
  verify(name?: string): Promise<Found[]>;
}

interface Found {
  readonly branch: string;
  readonly ok: boolean;
  readonly badFrame?: bigint;
  readonly repairable: boolean;
  readonly rebuiltFooters: bigint;
}

/** A source whose branch main has 64 frames, later 10 and longer 5 others more, and a destination that has main too. */
async function scene(t: ExecutionContext, way: "push" | "pull"): Promise<Scene> {
  const source = await temporaryServer({
    fill: async (store) => {
      const { branch, chain } = await importedBranch(store, "main");
      await growBranch(store, branch, chain, 60, 3000);
      const early = store.requireBranch("main");
      const later = await store.forkBranch("later", early, early.head);
      const longer = await store.forkBranch("longer", early, early.head);
      await growBranch(store, longer, forkWal(chain, early.head.lsn), 5, 3000);
      await growBranch(store, later, chain, 10, 3000);
    },
  });
  t.teardown(source.remove);
  const destination = await temporaryServer();
  t.teardown(destination.remove);
  const [near, far] = [await source.connect(), await destination.connect()];
  t.teardown(() => Promise.all([near.close(), far.close()]).then(() => undefined));
  const self: Scene = {
    source,
    destination,
    near,
    far,
    transfer: (name = "main", options = {}) => transferOnce(self, way, name, options),
    verify: (branch) => callStream(far, branchVerify, branch === undefined ? {} : { branch }),
  };
  await self.transfer();
  return self;
}

function transferOnce(
  { source, destination, near, far }: Scene,
  way: "push" | "pull",
  name: string,
  options: { dryRun?: boolean },
) {
  const [from, to] = name.includes(":") ? (name.split(":") as [string, string]) : [name, name];
  return way === "push"
    ? call(near, performPush, { branch: from, uri: destination.uri, destinationBranch: to, ...options })
    : call(far, performPull, { branch: to, uri: source.uri, sourceBranch: from, ...options });
}

const segmentOf = ({ destination }: Scene) => largestSegment(storePath(destination.directory));

for (const way of ["push", "pull"] as const) {
  test(`${way}: frames that verify found damaged come again, under the same name, and with them whatever shared them`, async (t) => {
    const s = await scene(t, way);
    await call(s.far, branchCreate, { name: "copy", source: "main" });
    const { path, length } = await segmentOf(s);
    await flipByte(path, length >> 1);
    const [copy, main] = await s.verify();
    t.like(main, { branch: "main", ok: false, repairable: true });
    t.like(copy, { branch: "copy", ok: false, badFrame: main.badFrame });
    const lost = FRAMES - (main.badFrame as bigint);
    t.true(lost > 10n && lost < FRAMES);
    const announced = await s.transfer("main", { dryRun: true });
    t.like(announced, { decision: Decision.UP_TO_DATE, dryRun: true, frames: lost, repairedFrames: lost });
    t.false((await s.verify("main"))[0].ok, "a dry run repairs nothing");
    const repaired = await s.transfer();
    t.like(repaired, { decision: Decision.UP_TO_DATE, frames: lost, repairedFrames: lost });
    for (const { branch, ok } of await s.verify()) t.true(ok, branch);
    t.like(await s.transfer(), { decision: Decision.UP_TO_DATE, frames: 0n, repairedFrames: undefined });
    t.like(await call(s.far, collectGarbage, {}), { segments: 1n, bytes: repaired.bytes });
    for (const { branch, ok } of await s.verify()) t.true(ok, branch);
    const again = await segmentOf(s);
    await flipByte(again.path, again.length >> 1);
    t.like((await s.verify("main"))[0], { ok: false, repairable: true });
    await s.transfer();
    for (const { branch, ok } of await s.verify()) t.true(ok, `${branch}, damaged a second time`);
  });

  test(`${way}: a branch on damaged frames that grows is repaired with it, and its forks are`, async (t) => {
    const s = await scene(t, way);
    const { path, length } = await segmentOf(s);
    await s.transfer("later");
    await flipByte(path, length >> 1);
    const [later, main] = await s.verify();
    t.false(later.ok || main.ok);
    const lost = FRAMES - (main.badFrame as bigint);
    const moved = await s.transfer("later:main");
    t.like(moved, { decision: Decision.FAST_FORWARD, frames: lost + 10n, repairedFrames: lost });
    for (const { branch, ok } of await s.verify()) t.true(ok, branch);
    t.true((await call(s.far, collectGarbage, {})).bytes > 0n);
    await call(s.far, branchDelete, { name: "main" });
    await call(s.far, collectGarbage, { all: true });
    t.true((await s.verify("later"))[0].ok, "the fork stands by itself");
  });

  test(`${way}: good frames that another branch has brought repair a branch without being sent again`, async (t) => {
    const s = await scene(t, way);
    const { path, length } = await segmentOf(s);
    await flipByte(path, length >> 1);
    const [{ badFrame }] = await s.verify();
    const created = await s.transfer("main:other");
    t.like(created, { decision: Decision.CREATE, frames: FRAMES - (badFrame as bigint) });
    t.deepEqual(
      (await s.verify()).map(({ branch, ok }) => [branch, ok]),
      [
        ["main", false],
        ["other", true],
      ],
    );
    t.like(await s.transfer(), { decision: Decision.UP_TO_DATE, frames: 0n, repairedFrames: 0n });
    for (const { branch, ok } of await s.verify()) t.true(ok, branch);
  });
}

test("a branch that was repaired with another one goes on by itself, and costs that one nothing", async (t) => {
  const s = await scene(t, "push");
  await s.transfer("later");
  const { path, length } = await segmentOf(s);
  await flipByte(path, length >> 1);
  await s.verify();
  await s.transfer("later");
  for (const { branch, ok } of await s.verify()) t.true(ok, branch);
  t.like(await s.transfer("longer:main"), { decision: Decision.FAST_FORWARD, frames: 5n });
  for (const all of [false, true]) {
    for (const { branch, ok } of await s.verify()) t.true(ok, branch);
    await call(s.far, collectGarbage, { all });
  }
  t.deepEqual(
    (await callStream(s.far, branchList, {})).map(({ name, parent }) => [name, parent]),
    [
      ["later", undefined],
      ["main", "later"],
    ],
  );
});

test("wherever a byte of a segment is changed, its branch is whole again after verify and a push", async (t) => {
  const s = await scene(t, "push");
  const { length } = await segmentOf(s);
  for (let part = 0; part < 12; part++) {
    const { path } = await segmentOf(s);
    await flipByte(path, Math.floor((length * part) / 12) + 7 * part);
    const [{ ok, repairable, rebuiltFooters }] = await s.verify("main");
    t.true(ok ? rebuiltFooters === 1n : repairable, `part ${part}`);
    await s.transfer();
    t.true((await s.verify("main"))[0].ok, `part ${part}`);
    await call(s.far, collectGarbage, {});
  }
});

test("a segment that is gone comes again", async (t) => {
  const s = await scene(t, "push");
  await rm((await segmentOf(s)).path);
  t.like((await s.verify())[0], { ok: false, badFrame: 0n, repairable: true });
  t.like(await s.transfer(), { decision: Decision.UP_TO_DATE, frames: FRAMES, repairedFrames: FRAMES });
  t.true((await s.verify())[0].ok);
  t.is((await call(s.far, collectGarbage, {})).segments, 1n);
  t.true((await s.verify())[0].ok);
});

test("where the footer is lost, whole branches are served, and verify makes it again and says so", async (t) => {
  const s = await scene(t, "push");
  const { path, length } = await segmentOf(s);
  for (const [offset, bytes] of [
    [length - 2000, 2000],
    ...[1, 3, 5, 8, 9, 30, 41, 60, 100, 300, 1000].map((end) => [length - end, 1]),
  ]) {
    await overwrite(path, offset, bytes);
    const [first] = await s.verify();
    t.like(
      first,
      { ok: true, repairable: false, rebuiltFooters: 1n },
      `${bytes} bytes at ${offset - length}`,
    );
    t.like((await s.verify())[0], { ok: true, rebuiltFooters: 0n });
    t.is((await segmentOf(s)).length, length);
  }
});

test("a branch whose footer is lost can be pulled, and pushed to", async (t) => {
  const s = await scene(t, "push");
  const { path, length } = await segmentOf(s);
  await overwrite(path, length - 2000, 2000);
  const third = await temporaryServer();
  t.teardown(third.remove);
  const connection = await third.connect();
  t.teardown(() => connection.close());
  const pulled = await call(connection, performPull, { branch: "main", uri: s.destination.uri });
  t.is(pulled.frames, FRAMES);
  t.like(await s.transfer("later:main"), { decision: Decision.FAST_FORWARD, frames: 10n });
  t.true((await s.verify())[0].ok);
});

test("a footer and a frame that are both damaged are told by the frame, and the branch comes again", async (t) => {
  const s = await scene(t, "push");
  const { path, length } = await segmentOf(s);
  await overwrite(path, length - 2000, 2000);
  await flipByte(path, length >> 1);
  const [found] = await s.verify();
  t.like(found, { ok: false, repairable: true, rebuiltFooters: 0n });
  t.true((found.badFrame as bigint) > 10n);
  const lost = FRAMES - (found.badFrame as bigint);
  t.like(await s.transfer(), { decision: Decision.UP_TO_DATE, frames: lost, repairedFrames: lost });
  t.true((await s.verify())[0].ok);
});

test("frames that are good again, as after a disk was put back, are not asked for again", async (t) => {
  const s = await scene(t, "push");
  const { path, length } = await segmentOf(s);
  await flipByte(path, length >> 1);
  t.false((await s.verify())[0].ok);
  await flipByte(path, length >> 1);
  t.true((await s.verify())[0].ok);
  t.like(await s.transfer(), { decision: Decision.UP_TO_DATE, frames: 0n, repairedFrames: undefined });
});
