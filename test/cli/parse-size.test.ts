import test from "ava";
import { formatBytes } from "../../src/cli/format.js";
import { parseSize } from "../../src/cli/parse-size.js";

const cases: Record<string, bigint | undefined> = {
  "4096": 4096n,
  "500k": 512_000n,
  "10M": 10_485_760n,
  "1g": 1_073_741_824n,
  "10MB": 10_485_760n,
  "10 MB": 10_485_760n,
  "10MiB": 10_485_760n,
  "1.5 kB": 1536n,
  "2TB": 2_199_023_255_552n,
  "12 bytes": 12n,
  "1 byte": 1n,
  "0": 0n,
  "": undefined,
  M: undefined,
  "-1": undefined,
  "1e3": undefined,
  "10 MBit": undefined,
  "1.2.3": undefined,
  "99999999999999999999": undefined,
};

for (const [text, bytes] of Object.entries(cases)) {
  test(`"${text}" is ${bytes === undefined ? "no size" : `${bytes} bytes`}`, (t) =>
    t.is(parseSize(text), bytes));
}

test("every size is read as it is printed, to its three digits", (t) => {
  for (let bytes = 1; bytes < 2 ** 49; bytes = bytes * 3 + 1) {
    const read = Number(parseSize(formatBytes(bytes)));
    t.true(Math.abs(read - bytes) <= bytes / 100, formatBytes(bytes));
  }
});
