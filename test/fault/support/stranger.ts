/** A peer that knows the schemas only, and says what it likes: it shares the encoder of frames with src/, and no session. */
import { randomBytes } from "node:crypto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Codec, FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import {
  RecordBatchSchema,
  type StartRecord,
  StartRecordSchema,
} from "../../../gen/neon/pageserver/v1/record_pb.js";
import {
  type HelloSchema,
  type SessionMessage,
  SessionMessageSchema,
} from "../../../gen/neon/pageserver/v1/session_pb.js";
import type { CopyBoth } from "../../../src/pgwire/copy-both.js";
import { encodeFrame, type Frame, sha256 } from "../../../src/timeline/frame/frame.js";

const LSN = 0x1000000n;
/** Bytes of WAL in each frame of a chain. */
export const FRAME_WAL = 256n;

/** A frame as it travels. */
export function bytesOf(frame: Frame): Buffer {
  return Buffer.concat(frame.parts);
}

/** A frame behind another one; `change` says what is not as it should be. */
export function frameAfter(previous: Frame | undefined, payload: Buffer, change: object = {}): Frame {
  const at = previous?.header.endLsn ?? LSN;
  return encodeFrame(
    {
      seq: previous === undefined ? 0n : previous.header.seq + 1n,
      previousDigest: previous?.digest ?? new Uint8Array(),
      kind: previous === undefined ? FrameKind.START : FrameKind.WAL,
      startLsn: at,
      endLsn: previous === undefined ? at : at + FRAME_WAL,
      codec: Codec.NONE,
      storedLength: payload.length,
      contentLength: payload.length,
      payloadSha256: sha256(payload),
      ...change,
    },
    payload,
  );
}

/** The start record of a cluster that nobody has; `change` says what no cluster can have. */
export function startRecord(change: MessageInitShape<typeof StartRecordSchema> = {}) {
  return create(StartRecordSchema, {
    importId: randomBytes(16),
    systemIdentifier: 7n,
    serverVersionNum: 150018,
    postgresTimelineId: 1,
    backupStartLsn: LSN + 0x28n,
    walStartLsn: LSN,
    blockSize: 8192,
    walSegmentSize: 1 << 24,
    ...change,
  });
}

/** A chain of `count` frames of its own. */
export function makeChain(count: number, start = startRecord()): Frame[] {
  const batch = create(RecordBatchSchema, { records: [{ record: { case: "start", value: start } }] });
  const chain = [frameAfter(undefined, Buffer.from(toBinary(RecordBatchSchema, batch)))];
  while (chain.length < count) chain.push(frameAfter(chain.at(-1), randomBytes(Number(FRAME_WAL))));
  return chain;
}

/** The head of a branch, or another frame of its chain, as either is said. */
export interface Named {
  readonly seq: bigint;
  readonly digest: Uint8Array;
  readonly lsn: bigint;
}

/** What a sender says in a session; what is undefined it does not say. */
export interface Words {
  readonly hello: MessageInitShape<typeof HelloSchema>;
  readonly offer: {
    readonly start: StartRecord | undefined;
    readonly head: Named | undefined;
    readonly locator: readonly Named[];
    readonly frames: bigint;
    readonly bytes: bigint;
  };
  /** Among which it finds what it is asked for. */
  readonly located: readonly Named[];
  readonly plan: { readonly frames: bigint; readonly bytes: bigint; readonly endLsn: bigint } | undefined;
  readonly frames: readonly Frame[];
  readonly finish: { readonly head: Named | undefined } | undefined;
}

/** The Hello of an end that takes everything. */
export const HELLO = {
  minVersion: 1,
  maxVersion: 1,
  codecs: [Codec.NONE, Codec.LZ4],
  maxMessageBytes: 4 << 20,
  windowBytes: 1n << 26n,
  software: "stranger",
};

/** What an honest sender of a chain says to a receiver that has `held` of its frames. */
export function honest(chain: readonly Frame[], start = startRecord(), held = 0): Words {
  const size = (frames: readonly Frame[]) => BigInt(frames.reduce((sum, { length }) => sum + length, 0));
  const positions: Named[] = chain.map(({ header: { seq, endLsn }, digest }, i) => ({
    seq,
    digest,
    lsn: chain[i + 1]?.header.startLsn ?? endLsn,
  }));
  const head = positions.at(-1) as Named;
  const frames = chain.slice(held);
  return {
    hello: HELLO,
    offer: { start, head, locator: positions.reverse(), frames: BigInt(chain.length), bytes: size(chain) },
    located: positions,
    plan: { frames: BigInt(frames.length), bytes: size(frames), endLsn: head.lsn },
    frames,
    finish: { head },
  };
}

/** A message of a session as it travels. */
export function control(message: MessageInitShape<typeof SessionMessageSchema>["message"]): Buffer {
  return Buffer.from(toBinary(SessionMessageSchema, create(SessionMessageSchema, { message })));
}

/** What the other end says, but for signs of life. Throws the error with which it ends the session. */
export async function* heard(stream: CopyBoth): AsyncGenerator<SessionMessage["message"]> {
  for await (const { data } of stream.read()) {
    const { message } = fromBinary(SessionMessageSchema, data);
    if (message.case !== "keepalive") yield message;
  }
}

/**
 * Plays a sender: says Hello and Offer, waits for an Answer that wants frames, and says the rest. `words` makes what it
 * says for a receiver that has so many of its frames. Resolves with what it heard; throws what the receiver refuses with.
 */
export async function playSender(stream: CopyBoth, words: (held: number) => Words) {
  const all: SessionMessage["message"][] = [];
  const { hello, offer, located } = words(0);
  await stream.write(control({ case: "hello", value: hello }));
  await stream.write(control({ case: "offer", value: { ...offer, locator: [...offer.locator] } }));
  for await (const message of heard(stream)) {
    all.push(message);
    if (message.case === "committed") await stream.done();
    if (message.case === "locate") {
      const positions = located.filter(({ seq }) => message.value.seqs.includes(seq)).toReversed();
      await stream.write(control({ case: "located", value: { positions } }));
    }
    if (message.case !== "answer") continue;
    if (!message.value.accepted) {
      await stream.done();
      continue;
    }
    const { have } = message.value;
    const { plan, frames, finish } = words(have === undefined ? 0 : Number(have.seq) + 1);
    if (plan !== undefined) await stream.write(control({ case: "plan", value: plan }));
    for (const frame of frames) await stream.writeMessages(bytesOf(frame));
    if (finish !== undefined) await stream.write(control({ case: "finish", value: finish }));
    else await stream.done();
  }
  return all;
}

/** What a receiver says to a message. After a Committed of its own it is done. */
export type Replies = (message: SessionMessage["message"]) => readonly ControlInit[];
type ControlInit = MessageInitShape<typeof SessionMessageSchema>["message"];

/** Plays a receiver, whose Hello is as `hello` changes it. Throws what the sender refuses with. */
export async function playReceiver(stream: CopyBoth, hello: object, replies: Replies): Promise<void> {
  await stream.write(control({ case: "hello", value: { ...HELLO, ...hello } }));
  for await (const message of heard(stream)) {
    for (const reply of replies(message)) {
      await stream.write(control(reply));
      if (reply?.case === "committed") await stream.done();
    }
  }
}
