import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { Refs } from "../../src/timeline/refs.js";
import { Store } from "../../src/timeline/store.js";
import { endsOf, temporaryStore } from "../support/temporary-store.js";
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
