import test from "ava";
import { crc32c } from "../../../src/postgres/wal/crc32c.js";
import { bitwiseCrc32c } from "./wal-builder.js";

const bytes = Buffer.from(Array.from({ length: 1200 }, (_, index) => (index * 7919) >>> 3));
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

test("the check value of CRC-32C comes out", (t) => {
  const digits = Buffer.from("123456789");
  const digitsView = new DataView(digits.buffer, digits.byteOffset, digits.length);
  t.is(crc32c(digits, digitsView, 0, 9, 0) >>> 0, 0xe3069283);
});

test("any stretch has the CRC that the definition gives, short and long ones alike", (t) => {
  for (let length = 0; length < 600; length++) {
    const start = length % 9;
    const expected = bitwiseCrc32c(bytes.subarray(start, start + length));
    t.is(crc32c(bytes, view, start, start + length, 0) >>> 0, expected, `${length} bytes`);
  }
});

test("a CRC goes on where it stopped", (t) => {
  const whole = bitwiseCrc32c(bytes);
  for (const split of [0, 1, 9, 255, 256, 257, 1100]) {
    const first = crc32c(bytes, view, 0, split, 0);
    t.is(crc32c(bytes, view, split, bytes.length, first) >>> 0, whole, `split at ${split}`);
  }
});
