import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { StartRecordSchema } from "../../../gen/neon/pageserver/v1/record_pb.js";
import {
  LeaseSchema,
  SegmentInfoSchema,
  SegmentState,
  TimelineInfoSchema,
} from "../../../gen/neon/store/v1/store_pb.js";
import { ACKNOWLEDGE_BYTES, ACKNOWLEDGE_MS, SEGMENT_BYTES } from "../../limits.js";
import type { Base } from "../base.js";
import type { Frame } from "../frame/frame.js";
import { readStartRecord } from "../frame/start-record.js";
import { dropSegment, type Shelf, sealSegment } from "./seal-segment.js";
import { SegmentFooterBuilder } from "./segment-footer.js";
import type { OpenSegment } from "./segment-store.js";

/** What a segment writer works with. */
export interface SegmentWriterOptions extends Shelf {
  /** Of the timeline to write, hex. It is entered with its first frame. */
  readonly timelineId: string;
  /** Absent for a new chain. */
  readonly base?: Base | undefined;
  /** Whether what is durable is of use to another attempt, if this one breaks off. */
  readonly resumable: boolean;
}

interface Current {
  readonly id: string;
  readonly file: OpenSegment;
  readonly footer: SegmentFooterBuilder;
  /** Bytes of its frames that are known to be durable. */
  durableLength: number;
}

/**
 * Writes the frames of one timeline into segments of its own, one after the other, and makes them durable.
 *
 * Order of durability: segment, directory, LMDB; then `onDurable` is told. The first failure is final: every later call
 * throws it. Frames are written by one caller at a time; syncs run beside that.
 */
export class SegmentWriter {
  /** Called with the number of the last durable frame. Where somebody waits for that, little is made durable soon too. */
  onDurable: ((seq: bigint) => void) | undefined;

  readonly #options: SegmentWriterOptions;
  #current: Current | undefined;
  #unsyncedBytes = 0;
  #writtenSeq: bigint;
  #durableSeq: bigint;
  #hasTimeline = false;
  #syncing: Promise<void> | undefined;
  #syncSoon: NodeJS.Timeout | undefined;
  #sealing: Promise<void> | undefined;
  #failure: unknown;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    this.#writtenSeq = this.#durableSeq = options.base?.predecessor.header.seq ?? -1n;
  }

  /** Whether the index has the timeline. */
  get hasTimeline(): boolean {
    return this.#hasTimeline;
  }

  /** Whether anything of it is durable. */
  get hasDurable(): boolean {
    return this.#durableSeq > (this.#options.base?.predecessor.header.seq ?? -1n);
  }

  /** Whether something has failed. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Makes every later call throw `reason`, unless something has failed before. */
  fail(reason: unknown): void {
    this.#failure ??= reason;
  }

  /** Throws the first failure. */
  assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes frames behind the last ones. Their bytes can be reused once it resolves. */
  async write(frames: readonly Frame[]): Promise<void> {
    const segment = await this.#segmentFor(frames[0]);
    await segment.file.append(frames.flatMap(({ parts }) => parts));
    for (const frame of frames) {
      segment.footer.add(frame);
      this.#unsyncedBytes += frame.length;
    }
    this.#writtenSeq = frames[frames.length - 1].header.seq;
    if (this.#unsyncedBytes >= ACKNOWLEDGE_BYTES) this.#beginSync();
    else this.#syncLater();
  }

  /** Resolves when every frame written is durable. */
  async flush(): Promise<void> {
    while (this.#failure === undefined && this.#durableSeq < this.#writtenSeq) {
      await this.#syncing;
      if (this.#durableSeq < this.#writtenSeq) this.#beginSync();
    }
    await this.#syncing;
    this.assertSound();
  }

  /** Makes the last segment durable and gives it its footer. */
  seal(): Promise<void> {
    this.#sealing = this.#sealOnce();
    return this.#sealing;
  }

  /** Gives up the open file, if there is one, once nothing is done to it any more. Never throws for what failed before. */
  async close(): Promise<void> {
    await this.#syncing;
    this.#syncNoLater();
    // A footer that came after the next opening had cut the segment would damage it.
    await this.#sealing?.catch(() => undefined);
    await this.#current?.file.close();
    this.#current = undefined;
  }

  /**
   * Seals the last segment after a failure, cut behind what is durable. Nothing can be written afterwards. Throws what the
   * disk says, which changes nothing: the durable frames are there, and the next opening of the store seals them.
   */
  sealDurable(): Promise<void> {
    this.#sealing = this.#cut();
    return this.#sealing;
  }

  async #segmentFor(frame: Frame): Promise<Current> {
    if (this.#current !== undefined && this.#current.footer.length >= SEGMENT_BYTES) await this.seal();
    this.#current ??= await this.#createSegment(frame);
    return this.#current;
  }

  async #createSegment(first: Frame): Promise<Current> {
    const { refs, segments, indexes, timelineId } = this.#options;
    const id = randomBytes(16).toString("hex");
    const { seq } = first.header;
    // The index names the segment before its file exists, so that no crash leaves a file that nobody knows of.
    await refs.transaction(() => {
      if (!this.#hasTimeline) this.#putTimeline(first);
      const info = create(SegmentInfoSchema, { state: SegmentState.OPEN, durableLength: 0n });
      refs.segment.put(id, info);
      refs.extent.put([timelineId, Number(seq)], id);
    });
    this.#hasTimeline = true;
    const footer = new SegmentFooterBuilder(Number(seq));
    const file = await segments.create(id);
    indexes.unsealed(id, footer);
    return { id, file, footer, durableLength: 0 };
  }

  #putTimeline(first: Frame): void {
    const { base, refs, resumable, timelineId } = this.#options;
    const parent = base && {
      parent: Buffer.from(base.timelineId, "hex"),
      forkSeq: base.predecessor.header.seq,
      forkLsn: first.header.startLsn,
      forkBytes: BigInt(base.bytes),
    };
    const start = base?.start ?? readStartRecord(first);
    const startDigest = base?.startDigest ?? first.digest;
    const info = { start: toBinary(StartRecordSchema, start), startDigest, ...parent };
    refs.timeline.put(timelineId, create(TimelineInfoSchema, info));
    refs.lease.put(timelineId, create(LeaseSchema, { resumable }));
  }

  #syncLater(): void {
    if (this.onDurable === undefined || this.#unsyncedBytes === 0) return;
    this.#syncSoon ??= setTimeout(() => this.#beginSync(), ACKNOWLEDGE_MS).unref();
  }

  #syncNoLater(): void {
    clearTimeout(this.#syncSoon);
    this.#syncSoon = undefined;
  }

  #beginSync(): void {
    this.#syncNoLater();
    if (this.#syncing !== undefined || this.#current === undefined || this.failed) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#sync(this.#current, SegmentState.OPEN)
      .catch((error) => this.fail(error))
      .finally(() => {
        this.#syncing = undefined;
        this.#syncLater();
      });
  }

  /** Makes durable what has been written by now. */
  async #sync(current: Current, state: SegmentState): Promise<void> {
    const { refs } = this.#options;
    const { file, footer, id } = current;
    const [seq, { length }] = [this.#writtenSeq, footer];
    const info = create(SegmentInfoSchema, { state, durableLength: BigInt(length) });
    await file.sync();
    await refs.transaction(() => refs.segment.put(id, info));
    current.durableLength = length;
    this.#durableSeq = seq;
    this.onDurable?.(seq);
  }

  async #sealOnce(): Promise<void> {
    await this.#syncing;
    this.#syncNoLater();
    this.assertSound();
    const current = this.#current;
    if (current === undefined) return;
    try {
      await current.file.append([current.footer.toBytes()]);
      await this.#sync(current, SegmentState.SEALED);
    } catch (error) {
      // Nobody may append a second footer.
      this.fail(error);
      throw error;
    }
    this.#options.indexes.sealed(current.id);
    this.#current = undefined;
    await current.file.close();
  }

  async #cut(): Promise<void> {
    const { timelineId } = this.#options;
    const before = this.#sealing;
    await this.#syncing;
    await before?.catch(() => undefined);
    this.#syncNoLater();
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    const { id, file, footer, durableLength } = current;
    await file.close();
    footer.cut(durableLength);
    if (durableLength === 0) await dropSegment(this.#options, id, [timelineId, footer.firstSeq]);
    else await sealSegment(this.#options, id, footer);
  }
}
