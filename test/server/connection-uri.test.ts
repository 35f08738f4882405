import test from "ava";
import { NeonError } from "../../src/errors.js";
import { assertConnectionUri, maskPasswords, withoutPassword } from "../../src/server/connection-uri.js";

const STRIPPED: [uri: string, expected: string][] = [
  ["postgresql://h:6400/", "postgresql://h:6400/"],
  ["postgres://u@h", "postgres://u@h"],
  ["postgresql://u:hunter2@h:1/db?sslmode=require", "postgresql://u@h:1/db?sslmode=require"],
  ["postgresql://u:hunter2@h1:1,h2:2/db", "postgresql://u@h1:1,h2:2/db"],
  ["postgresql://u:hunter2@[::1]:6400/", "postgresql://u@[::1]:6400/"],
  ["postgresql://h/?password=hunter2&user=u", "postgresql://h/?user=u"],
  ["postgresql://h/?user=u&PASSWORD=hunter2", "postgresql://h/?user=u"],
  ["postgresql://h/?p%61ssword=hunter2", "postgresql://h/"],
  ["postgresql:///?host=/tmp&sslpassword=hunter2", "postgresql:///?host=/tmp"],
  ["postgresql://:hunter2@h/", "postgresql://@h/"],
];

for (const [uri, expected] of STRIPPED) {
  test(`${uri} is listed as ${expected}`, (t) => t.is(withoutPassword(uri), expected));
}

const MALFORMED = [
  "",
  "cloud",
  "http://h/",
  "postgresql:/h",
  "postgresql://u:hun@ter2@h/",
  "postgresql://u:hunter/2@h/",
  "postgresql://u:hun:ter2@h/",
  "postgresql://u:hunter2@h/ x",
  "postgresql://h/#hunter2",
  "postgresql://h/?password=hunter2@x",
  "host=h password=hunter2",
  "postgresql://u:hunter2%zz@h/",
  "postgresql://u:hunter2%ff@h/",
  "postgresql://u:hunter2%00@h/",
  "postgresql://h:0/",
  "postgresql://h:65536/",
  "postgresql://h:port/",
  "postgresql://[::1]:99999/",
];

for (const uri of MALFORMED) {
  test(`"${uri}" is refused with 22023 and not quoted`, (t) => {
    const error = t.throws(() => assertConnectionUri(uri), { code: "invalid_parameter_value" });
    t.false(error.message.includes("hunter"));
    t.throws(() => withoutPassword(uri), { code: "invalid_parameter_value" });
  });
}

test("an unknown parameter is refused by name, and no obstacle where an origin is listed", (t) => {
  const uri = "postgresql://u:hunter2@h/?foo=bar&password=hunter2";
  const error = t.throws(() => assertConnectionUri(uri), { message: 'invalid URI query parameter: "foo"' });
  t.false(error.message.includes("hunter"));
  t.is(withoutPassword(uri), "postgresql://u@h/?foo=bar");
});

const TEXTS = [
  "cannot reach postgresql://u:hunter2@h/db: refused",
  'bad URI "postgres://u:hun@hunter2@h"',
  "host=h password=hunter2 user=u",
  "host=h password = 'hun ter\\'hunter2' user=u",
  "postgresql://h/?sslpassword=hunter2&x=y",
  'branch "u:hunter2@h" does not exist',
  "u:hun/hunter2@h",
  "postgresql://u@hunter2@h/",
  "postgresql://u/hunter2@h/",
  "POSTGRES://u:hunter2@h/",
  "a@b:hunter2@h",
  "(u:hunter2@h)",
  "u:/x:hunter2@h",
];

for (const text of TEXTS) {
  test(`the password is masked in: ${text}`, (t) => {
    t.false(maskPasswords(text).includes("hunter2"));
    t.true(maskPasswords(text).includes("***"));
  });
}

// Each once took seconds: what one client sends must not keep all others waiting.
for (const piece of [
  "a:",
  "a-",
  "a,",
  "a:@",
  "@",
  ":",
  "postgres://",
  "postgres://a@",
  "password ",
  "password='\\\\",
  "password = ",
]) {
  test(`a megabyte of ${piece} is masked in no time`, (t) => {
    const text = piece.repeat(2 ** 20 / piece.length);
    const begin = performance.now();
    maskPasswords(text);
    maskPasswords(`postgresql://${text}`);
    const seconds = (performance.now() - begin) / 1000;
    t.true(seconds < 5, `${seconds} s`);
  });
}

test("the hint for a malformed URI can be read after masking", (t) => {
  const error = t.throws<NeonError>(() => assertConnectionUri("cloud"), { instanceOf: NeonError });
  t.truthy(error?.hint);
  t.is(maskPasswords(error?.hint ?? ""), error?.hint ?? "");
});

test("text without credentials stays as it is", (t) => {
  const text = "cannot reach postgresql://h:6400/ as user@example.com: no password given";
  t.is(
    maskPasswords("no password given for mail user@example.com"),
    "no password given for mail user@example.com",
  );
  t.is(maskPasswords("cannot reach postgresql://h:6400/"), "cannot reach postgresql://h:6400/");
  t.true(maskPasswords(text).includes("as user@example.com"));
  t.is(maskPasswords("postgresql://user@h:6400/"), "postgresql://user@h:6400/");
});
