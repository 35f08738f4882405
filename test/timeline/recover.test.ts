import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { rebuildIndex } from "../../src/timeline/rebuild/rebuild-index.js";
import { Refs } from "../../src/timeline/refs.js";
import { Store } from "../../src/timeline/store.js";
import { endsOf, temporaryStore, writeChain } from "../support/temporary-store.js";
import { growBranch, importedBranch } from "../support/wal-chain.js";

const module = (path: string) =>
  JSON.stringify(new URL(`../../src/timeline/${path}.js`, import.meta.url).href);

/** Takes the frames of branch `main` of a store into another one, and never ends; prints what is durable. */
const RECEIVER = `
import { Store } from ${module("store")};
import { decodeFrame } from ${module("frame/frame")};
const from = await Store.open(process.argv[1]);
const into = await Store.open(process.argv[2]);
const appender = into.appendFrames();
appender.onDurable = (seq) => process.stdout.write(seq + "\\n");
let count = 0;
for await (const frame of from.reader(from.requireBranch("main")).frames()) {
  await appender.append(decodeFrame(Buffer.concat(frame.parts)));
  if (++count % 3 === 0) await appender.flush();
}
setInterval(() => {}, 1000);
`;

test("what a killed process had acknowledged is found again, whole, and goes with gc --all", async (t) => {
  const source = await temporaryStore();
  t.teardown(source.remove);
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { branch, chain } = await importedBranch(source.store, "main");
  const main = await growBranch(source.store, branch, chain, 40, 3000);
  const first = await source.store.reader(main).digest(0);
  await source.store.close();
  for (const killAfter of [3, 7, 13]) {
    await temporary.store.close();
    const child = spawn(
      process.execPath,
      ["--input-type=module", "-e", RECEIVER, "--", source.path, temporary.path],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let acknowledged = -1;
    let lines = 0;
    for await (const text of child.stdout.setEncoding("utf8")) {
      // On a busy machine several lines come at once.
      for (const line of (text as string).trim().split("\n")) {
        acknowledged = Number(line);
        lines++;
      }
      if (lines >= killAfter) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    t.is(child.signalCode, "SIGKILL");
    temporary.store = await Store.open(temporary.path);
    t.deepEqual(temporary.store.listBranches(), []);
    const [end] = await endsOf(temporary.store, first);
    t.true(end.seq >= acknowledged && acknowledged >= 2, `${end.seq}, acknowledged ${acknowledged}`);
    let frames = 0;
    for await (const _ of temporary.store.readerAt(end).frames()) frames++;
    t.is(frames, end.seq + 1);
    t.is((await temporary.store.collectGarbage(true, true)).segments, 1);
    t.deepEqual(await readdir(join(temporary.path, "segments")), []);
  }
  source.store = await Store.open(source.path);
});

test("segments whose deletion a crash cut short are deleted at the next opening", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  await importedBranch(temporary.store, "main");
  const { branch: other } = await importedBranch(temporary.store, "other");
  await temporary.store.close();
  const refs = await Refs.open(join(temporary.path, "refs"));
  const timelineId = other.timelineId.toString("hex");
  await refs.transaction(() => {
    refs.branch.remove("other");
    refs.timeline.remove(timelineId);
    refs.extent.remove([timelineId, 0]);
  });
  await refs.close();
  temporary.store = await Store.open(temporary.path);
  t.is((await readdir(join(temporary.path, "segments"))).length, 1);
  const main = temporary.store.requireBranch("main");
  let frames = 0;
  for await (const _ of temporary.store.readFrames(main)) frames++;
  t.is(frames, main.frames);
});

test("beneath an older index that was put back nothing of newer segments is deleted, and all is found again", async (t) => {
  const temporary = await temporaryStore();
  t.teardown(temporary.remove);
  const { store, path } = temporary;
  // While the copy is made an import runs and a branch grows.
  const { branch, chain } = await importedBranch(store, "main");
  const importing = await writeChain(store, { frames: 3 });
  await importing.flush();
  const copy = await createTemporaryDirectory("neon-older-");
  t.teardown(copy.remove);
  await cp(join(path, "refs"), copy.path, { recursive: true });
  const imported = await store.createBranch("imported", importing);
  const main = await growBranch(store, branch, chain, 3, 3000);
  await importedBranch(store, "third");
  await store.close();
  const segments = async () => (await readdir(join(path, "segments"))).toSorted();
  const before = await segments();
  const bytes = await readFile(join(path, "segments", before[0]));
  await cp(copy.path, join(path, "refs"), { recursive: true });

  temporary.store = await Store.open(path);
  t.deepEqual(
    temporary.store.listBranches().map(({ name }) => name),
    ["main"],
  );
  const { segments: unknown } = await temporary.store.unknownSegments();
  t.true(unknown > 0);
  for (const all of [false, true])
    await t.throwsAsync(temporary.store.collectGarbage(all, true), {
      code: "object_not_in_prerequisite_state",
      message: /older than they are, and nothing is freed/,
    });
  await temporary.store.close();
  t.deepEqual(await segments(), before);
  t.deepEqual(await readFile(join(path, "segments", before[0])), bytes);

  const { branches } = await rebuildIndex(path, false);
  temporary.store = await Store.open(path);
  const heads = new Set(branches.map(({ head }) => head.digest.toString("hex")));
  for (const { head } of [main, imported]) t.true(heads.has(head.digest.toString("hex")));
  t.is(temporary.store.listBranches().length, 4, "main as the older index knew it too");
  t.deepEqual(await temporary.store.collectGarbage(true), { segments: 0, bytes: 0 });
});
