import test from "ava";
import { formatLsn, parseLsn } from "../src/lsn.js";

test("an LSN is written as Postgres writes it", (t) => {
  t.is(formatLsn(0x16b374d848n), "16/B374D848");
  t.is(formatLsn(0n), "0/0");
  t.is(formatLsn(0xffffffffffffffffn), "FFFFFFFF/FFFFFFFF");
});

test("an LSN is read in either case and comes back the same", (t) => {
  t.is(parseLsn("16/b374d848"), 0x16b374d848n);
  t.is(formatLsn(parseLsn("0/16B3748")), "0/16B3748");
});

for (const text of ["", "1", "/1", "1/", "1/2/3", "123456789/0", "x/1", " 1/2", "1/-2"]) {
  test(`"${text}" is no LSN`, (t) => {
    t.throws(() => parseLsn(text), { code: "invalid_parameter_value" });
  });
}
