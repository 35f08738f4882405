import { toBinary } from "@bufbuild/protobuf";
import test from "ava";
import { Codec, FrameHeaderSchema, FrameKind } from "../../../gen/neon/pageserver/v1/frame_pb.js";
import { NeonError } from "../../../src/errors.js";
import {
  decodeFrame,
  decodeFrameHead,
  encodeFrame,
  type Frame,
  MAX_FRAME_HEAD_BYTES,
  sha256,
} from "../../../src/timeline/frame/frame.js";
import { assertSuccessor } from "../../../src/timeline/frame/successor.js";

function makeFrame(payload: Buffer, facts: object = {}) {
  return encodeFrame(
    {
      seq: 0n,
      startLsn: 0x1000000n,
      endLsn: 0x1000000n,
      kind: FrameKind.START,
      codec: Codec.NONE,
      storedLength: payload.length,
      contentLength: payload.length,
      payloadSha256: sha256(payload),
      ...facts,
    },
    payload,
  );
}

/** A frame's bytes in one piece, of their own. */
function wire(frame: Frame): Buffer {
  return Buffer.concat(frame.parts);
}

/** Puts length and type in front of a SessionMessage's bytes. */
function copyData(body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write("d");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

test("a frame that is encoded and decoded is the same frame with the same digest", (t) => {
  for (const length of [1, 127, 128, 16384, 1 << 20]) {
    const frame = makeFrame(Buffer.alloc(length, "x"));
    const again = decodeFrame(wire(frame));
    t.deepEqual(again.header, frame.header);
    t.deepEqual(again.payload, frame.payload);
    t.deepEqual(again.digest, frame.digest);
  }
});

test("the digest is the SHA-256 of the header's bytes as they travel", (t) => {
  const frame = makeFrame(Buffer.from("payload"));
  const message = wire(frame);
  // 5 bytes of CopyData, 2 of SessionMessage, 1 of the header's tag, 1 of its length
  t.deepEqual(sha256(message.subarray(9, 9 + message[8])), frame.digest);
});

test("a frame cut at any byte is refused", (t) => {
  const message = wire(makeFrame(Buffer.from("some payload")));
  for (let length = 0; length < message.length; length++) {
    t.throws(() => decodeFrame(message.subarray(0, length)), { instanceOf: NeonError });
    if (length >= 5) {
      const recut = copyData(message.subarray(5, length));
      t.throws(() => decodeFrame(recut), { code: "protocol_violation" }, `cut at ${length}`);
    }
  }
});

test("a frame with any one bit of its payload changed is refused as damaged", (t) => {
  const message = wire(makeFrame(Buffer.from("payload")));
  for (let i = message.length - 7; i < message.length; i++) {
    const damaged = Buffer.from(message);
    damaged[i] ^= 0x10;
    t.throws(() => decodeFrame(damaged), { code: "data_corrupted" });
  }
});

test("other encodings of the same frame are refused", (t) => {
  const frame = makeFrame(Buffer.from("payload"));
  const { payload } = frame;
  const message = wire(frame);
  const headerField = message.subarray(7, 9 + message[8]);
  const payloadField = message.subarray(7 + headerField.length);
  const session = (frame: Buffer) => copyData(Buffer.concat([Buffer.of(0x22, frame.length), frame]));
  t.notThrows(() => decodeFrame(session(Buffer.concat([headerField, payloadField]))));
  const others = {
    "fields in another order": Buffer.concat([payloadField, headerField]),
    "a repeated field": Buffer.concat([headerField, headerField, payloadField]),
    "an unknown field": Buffer.concat([headerField, payloadField, Buffer.of(0x18, 1)]),
    "no payload": headerField,
    "a long varint": Buffer.concat([headerField, Buffer.of(0x12, payload.length | 0x80, 0), payload]),
  };
  for (const [name, frame] of Object.entries(others)) {
    t.throws(() => decodeFrame(session(frame)), { code: "protocol_violation" }, name);
  }
});

/** A frame whose header has an unknown field, and is `length` bytes long for it. */
function withHeaderOf(length: number, payload: Buffer): Buffer {
  const known = toBinary(FrameHeaderSchema, makeFrame(payload).header);
  const rest = length - known.length - 4;
  const header = Buffer.concat([
    known,
    Buffer.of(0xa2, 0x06, (rest & 0x7f) | 0x80, rest >> 7),
    Buffer.alloc(rest),
  ]);
  const field = (tag: number, bytes: Buffer) =>
    Buffer.concat([Buffer.of(tag, (bytes.length & 0x7f) | 0x80, bytes.length >> 7), bytes]);
  return copyData(field(0x22, Buffer.concat([field(0x0a, header), field(0x12, payload)])));
}

test("a header as long as the limit is taken with what is unknown in it, and found at the frame's beginning", (t) => {
  const message = withHeaderOf(1024, Buffer.alloc(2000, "x"));
  const { digest, header } = decodeFrame(message);
  t.deepEqual(digest, sha256(message.subarray(11, 11 + 1024)));
  t.deepEqual(decodeFrameHead(message.subarray(0, MAX_FRAME_HEAD_BYTES)), { digest, header });
  for (const read of [decodeFrame, decodeFrameHead]) {
    t.throws(() => read(withHeaderOf(1025, Buffer.alloc(2000))), {
      code: "protocol_violation",
      message: /header is 1025 bytes long, the limit is 1024/,
    });
  }
});

const start = makeFrame(Buffer.from("start"));
const next = {
  seq: 1n,
  previousDigest: start.digest,
  startLsn: 0x1000000n,
  endLsn: 0x1000100n,
  kind: FrameKind.WAL,
};

test("a frame that names its predecessor follows it", (t) => {
  t.notThrows(() => assertSuccessor(undefined, start));
  const second = makeFrame(Buffer.from("wal"), next);
  t.notThrows(() => assertSuccessor(start, second));
  const fork = { ...next, seq: 2n, previousDigest: second.digest, startLsn: 0x1000080n };
  t.notThrows(() => assertSuccessor(second, makeFrame(Buffer.from("fork"), fork)));
});

const misfits: Record<string, [object, string]> = {
  "another number": [{ seq: 2n }, "data_corrupted"],
  "a number above 2^53": [{ seq: 1n << 53n }, "data_corrupted"],
  "another predecessor": [{ previousDigest: Buffer.alloc(32, 1) }, "data_corrupted"],
  "no predecessor": [{ previousDigest: new Uint8Array() }, "data_corrupted"],
  "a gap before its start": [{ startLsn: 0x1000008n }, "data_corrupted"],
  "an end before its start": [{ endLsn: 0xfffff8n }, "data_corrupted"],
  "the kind of a first frame": [{ kind: FrameKind.START }, "data_corrupted"],
  "a kind of a later version": [{ kind: 4 as FrameKind }, "feature_not_supported"],
  "a codec of a later version": [{ codec: 9 as Codec }, "feature_not_supported"],
  "a content length that is not the payload's": [{ contentLength: 4 }, "data_corrupted"],
  "a content length above the limit": [{ contentLength: 1 << 30 }, "program_limit_exceeded"],
};
for (const [name, [change, code]] of Object.entries(misfits)) {
  test(`a frame with ${name} does not follow`, (t) => {
    const frame = makeFrame(Buffer.from("wal"), { ...next, ...change });
    t.throws(() => assertSuccessor(start, frame), { code });
  });
}

test("4 KB that claim to decompress to 4 GiB are refused before the codec is called", (t) => {
  const payload = Buffer.alloc(4096);
  payload.writeUInt32LE(0xffffffff);
  const frame = makeFrame(payload, { ...next, codec: Codec.LZ4, contentLength: 1 << 20 });
  t.throws(() => assertSuccessor(start, frame), { code: "data_corrupted", message: /4294967295/ });
});
