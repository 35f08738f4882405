import test from "ava";
import { bytePath, pathBelow, pathBytes, quotePath } from "../../src/postgres/byte-path.js";

const NAMES: readonly [bytes: Buffer, shown: string][] = [
  [Buffer.from("base/5/16384"), '"base/5/16384"'],
  [Buffer.from("Zürich 东京"), '"Zürich 东京"'],
  [Buffer.from("a\nb\tc"), String.raw`"a\x0ab\x09c"`],
  [Buffer.from("\x1b[2J"), String.raw`"\x1b[2J"`],
  [Buffer.from('qu"ote'), String.raw`"qu\x22ote"`],
  [Buffer.from("back\\slash"), String.raw`"back\x5cslash"`],
  [Buffer.from("\u202eleft"), String.raw`"\xe2\x80\xaeleft"`],
  [Buffer.from([0x61, 0xff, 0xfe]), String.raw`"a\xff\xfe"`],
  [Buffer.from([0xc3]), String.raw`"\xc3"`],
];

for (const [bytes, shown] of NAMES) {
  test(`the name ${shown} keeps its bytes, and is shown so that a terminal bears it`, (t) => {
    const path = bytePath(bytes);
    t.true(pathBytes(path).equals(bytes));
    t.is(quotePath(path), shown);
    t.true(pathBelow("/root ü", path).equals(Buffer.concat([Buffer.from("/root ü/"), bytes])));
  });
}

test("a long name is cut where it is shown", (t) => {
  t.true(quotePath("n".repeat(4000)).length < 250);
});
