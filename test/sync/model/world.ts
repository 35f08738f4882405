import { randomBytes } from "node:crypto";
import { FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import type { ChainWriter } from "../../../src/timeline/chain-writer.js";
import type { RecordInit } from "../../../src/timeline/frame/record-batch.js";
import type { Branch, Store } from "../../../src/timeline/store.js";
import { assertUnreadable, type DamagedFrame, firstDamaged } from "./damage.js";
import { endLsn, forkOf, type History, lsnAt, walOf } from "./history.js";
import { type ModelServer, modelServer } from "./model-server.js";

/** A real server and what it has to hold. */
export interface Place extends ModelServer {
  readonly branches: Map<string, History>;
  /** Digests of frames that it has acknowledged in conversations that broke off. */
  readonly acknowledged: Set<string>;
  /** Frames that were damaged on its disk. */
  readonly damage: DamagedFrame[];
}

/** Makes a server without branches. */
export async function makePlace(): Promise<Place> {
  return { ...(await modelServer()), branches: new Map(), acknowledged: new Set(), damage: [] };
}

let lastUnit = 0;

/** Imports a cluster of its own history. */
export async function importBranch(
  place: Place,
  name: string,
  cluster: bigint,
  lengths: number[],
): Promise<void> {
  const { store } = place.files;
  const history: History = { cluster, units: [-++lastUnit], frames: [] };
  const begin = lsnAt(history, 0);
  const writer = await store.beginChain();
  const start = {
    importId: randomBytes(16),
    systemIdentifier: cluster,
    serverVersionNum: 150018,
    postgresTimelineId: 1,
    backupStartLsn: begin,
    walStartLsn: begin,
    blockSize: 8192,
    walSegmentSize: 1 << 24,
  };
  const record: RecordInit = { record: { case: "start", value: start } };
  await writer.append(FrameKind.START, begin, begin, [record]);
  const { units, ends } = await appendFrames(writer, history, lengths);
  await store.createBranch(name, writer);
  await remember(place, name, { ...history, units }, [1, ...ends]);
}

/** Appends WAL to a branch, a frame for each length in units. */
export async function appendToBranch(place: Place, name: string, lengths: number[]): Promise<void> {
  const { store } = place.files;
  const history = place.branches.get(name) as History;
  const branch = store.requireBranch(name);
  const writer = await store.beginChain(branch);
  const { units, ends } = await appendFrames(writer, history, lengths);
  await store.advanceBranch(name, branch.head, writer);
  await remember(place, name, { ...history, units }, [...history.frames.map(({ end }) => end), ...ends]);
}

/** Forks a branch behind its first `count` units. */
export async function forkBranch(place: Place, source: string, count: number, name: string): Promise<void> {
  const { store } = place.files;
  const fork = forkOf(place.branches.get(source) as History, count);
  const seq = fork.frames.length - 1;
  const head = { seq, digest: Buffer.from(fork.frames[seq].digest, "hex"), lsn: endLsn(fork) };
  await store.forkBranch(name, store.requireBranch(source), head);
  place.branches.set(name, fork);
}

async function appendFrames(writer: ChainWriter, history: History, lengths: number[]) {
  const units = [...history.units];
  const ends: number[] = [];
  for (const length of lengths) {
    const before = units.length;
    if (length === 0) units.push(-++lastUnit);
    for (let i = 0; i < length; i++) units.push(++lastUnit);
    ends.push(units.length);
    const grown = { ...history, units };
    const [startLsn, end] = [lsnAt(grown, before), lsnAt(grown, units.length)];
    const data = walOf({ ...history, units: units.slice(before) });
    // Two frames of the same bytes would be one: the number tells those without WAL apart.
    const value = { postgresTimelineId: lastUnit, startLsn, data };
    await writer.append(FrameKind.WAL, startLsn, end, [{ record: { case: "wal", value } }]);
  }
  return { units, ends };
}

/** Digests are the one thing that the model learns from the store, when it has just written the frames. */
async function remember(place: Place, name: string, history: History, ends: number[]): Promise<void> {
  const { store } = place.files;
  const digests = await digestsOf(store, store.requireBranch(name));
  const frames = digests.map((digest, i) => ({ digest, end: ends[i] }));
  place.branches.set(name, { ...history, frames });
}

async function digestsOf(store: Store, branch: Branch): Promise<string[]> {
  const reader = store.reader(branch);
  const seqs = Array.from({ length: branch.frames }, (_, seq) => seq);
  return Promise.all(seqs.map(async (seq) => (await reader.digest(seq)).toString("hex")));
}

/** Throws unless the server's branches are the model's, to the last byte and LSN, as far as nothing is damaged. */
export async function assertPlace(place: Place): Promise<void> {
  const { files, branches } = place;
  const { store } = files;
  const names = store.listBranches().map(({ name }) => name);
  assertEqual("branches", names, [...branches.keys()].sort());
  assertEqual("contradictions", await store.upkeep.findContradictions(), []);
  for (const [name, history] of branches) {
    const branch = store.requireBranch(name);
    assertEqual(`head of ${name}`, branch.head.lsn, endLsn(history));
    const bad = firstDamaged(place, name);
    assertEqual(`damage of ${name}`, store.firstBadFrame(branch), bad);
    if (bad === undefined) await assertWhole(store, branch, history);
    else await assertUnreadable(store, branch);
  }
}

async function assertWhole(store: Store, branch: Branch, history: History): Promise<void> {
  const { name } = branch;
  const reader = store.reader(branch);
  const frames: string[] = [];
  for await (const { header, digest } of reader.frames()) {
    frames.push(`${digest.toString("hex")} ${await reader.lsn(Number(header.seq))}`);
  }
  assertEqual(
    `frames of ${name}`,
    frames,
    history.frames.map(({ digest, end }) => `${digest} ${lsnAt(history, end)}`),
  );
  assertEqual(`WAL of ${name}`, await readWal(store, branch), walOf(history).toString("hex"));
  assertEqual(`bytes of ${name}`, branch.bytes, await reader.bytes(0, branch.head.seq));
}

async function readWal(store: Store, branch: Branch): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const { records } of store.readFrames(branch)) {
    for (const { record } of records) if (record.case === "wal") pieces.push(Buffer.from(record.value.data));
  }
  return Buffer.concat(pieces).toString("hex");
}

/** Throws, saying what differs. */
export function assertEqual(what: string, actual: unknown, expected: unknown): void {
  const [a, b] = [actual, expected].map((value) =>
    JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? part.toString(16) : part)),
  );
  if (a !== b) throw new Error(`${what}: the server has ${a}, the model ${b}`);
}
