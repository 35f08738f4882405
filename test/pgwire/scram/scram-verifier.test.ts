import test from "ava";
import { createVerifier, parseVerifier } from "../../../src/pgwire/scram/scram-verifier.js";

const KEY = Buffer.alloc(32, 7).toString("base64");
const SALT = Buffer.alloc(16, 9).toString("base64");

test("a verifier is random, and in the form of Postgres", async (t) => {
  const [first, second] = [await createVerifier(Buffer.from("x")), await createVerifier(Buffer.from("x"))];
  t.regex(first, /^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/);
  t.not(first, second);
});

test("a verifier is read with any number of iterations and length of salt", (t) => {
  t.like(parseVerifier(`SCRAM-SHA-256$1:${KEY}$${KEY}:${KEY}`), { iterations: 1, salt: Buffer.alloc(32, 7) });
  t.like(parseVerifier(`SCRAM-SHA-256$2147483647:${SALT}$${KEY}:${KEY}`), { iterations: 2147483647 });
});

const BAD: [what: string, text: string][] = [
  ["an empty text", ""],
  ["a password", "hunter2"],
  ["an md5 hash", "md5d41d8cd98f00b204e9800998ecf8427e"],
  ["another mechanism's", `SCRAM-SHA-1$4096:${SALT}$${KEY}:${KEY}`],
  ["a scheme in lower case", `scram-sha-256$4096:${SALT}$${KEY}:${KEY}`],
  ["one of no iterations", `SCRAM-SHA-256$0:${SALT}$${KEY}:${KEY}`],
  ["one of fewer than no iterations", `SCRAM-SHA-256$-1:${SALT}$${KEY}:${KEY}`],
  ["one of more iterations than an int holds", `SCRAM-SHA-256$2147483648:${SALT}$${KEY}:${KEY}`],
  ["one without a salt", `SCRAM-SHA-256$4096:$${KEY}:${KEY}`],
  ["one with a short StoredKey", `SCRAM-SHA-256$4096:${SALT}$${SALT}:${KEY}`],
  ["one with a short ServerKey", `SCRAM-SHA-256$4096:${SALT}$${KEY}:${SALT}`],
  ["one without a ServerKey", `SCRAM-SHA-256$4096:${SALT}$${KEY}`],
  ["one with a space after it", `SCRAM-SHA-256$4096:${SALT}$${KEY}:${KEY} `],
  ["one with a line end after it", `SCRAM-SHA-256$4096:${SALT}$${KEY}:${KEY}\n`],
  ["one with bad base64", `SCRAM-SHA-256$4096:${SALT}$${KEY.slice(0, -1)}:${KEY}`],
];
for (const [what, text] of BAD) {
  test(`${what} is no verifier`, (t) => {
    t.is(parseVerifier(text), undefined);
  });
}
