import test from "ava";
import { parseStatement, type Word } from "../../../src/server/command/grammar.js";

function words(text: string): [string | undefined, string][] {
  const statement = parseStatement(text);
  if (statement.kind !== "command") throw new Error(`${statement.kind} instead of a command`);
  return statement.words.map(({ name, value }: Word) => [name, value]);
}

const COMMANDS: [title: string, text: string, words: [string | undefined, string][]][] = [
  ["a name alone", "branch_list", []],
  ["white space around", " \n branch_list \t", []],
  ["a final semicolon", "branch_list;", []],
  ["several final semicolons", "branch_list ; ;", []],
  ["a bare word", "branch_show main", [[undefined, "main"]]],
  [
    "words apart by any white space",
    "c a\n\tb",
    [
      [undefined, "a"],
      [undefined, "b"],
    ],
  ],
  ["a quoted value", "c 'a b'", [[undefined, "a b"]]],
  [
    "doubled quotes",
    "c 'it''s' ''''",
    [
      [undefined, "it's"],
      [undefined, "'"],
    ],
  ],
  ["an empty quoted value", "c ''", [[undefined, ""]]],
  ["a semicolon in quotes", "c 'a;b';", [[undefined, "a;b"]]],
  ["a line break in quotes", "c 'a\nb'", [[undefined, "a\nb"]]],
  ["a named bare value", "c name=value", [["name", "value"]]],
  ["a named quoted value", "c name='a ''b'", [["name", "a 'b"]]],
  ["a named empty value", "c name=''", [["name", ""]]],
  ["a name with digits and underscores", "c a_1=x", [["a_1", "x"]]],
  ["only the first equals sign", "c name=a=b", [["name", "a=b"]]],
  ["a quoted text that looks named", "c 'name=value'", [[undefined, "name=value"]]],
  ["capital letters as no name", "c Name=value", [[undefined, "Name=value"]]],
  ["a digit in front as no name", "c 1a=b", [[undefined, "1a=b"]]],
  ["a URI with a query as no name", "c postgresql://h/?a=b", [[undefined, "postgresql://h/?a=b"]]],
  ["a command behind comments", "-- first\n/* then 'it */ c a", [[undefined, "a"]]],
  ["a backslash as itself", "c \\x00", [[undefined, "\\x00"]]],
];

for (const [title, text, expected] of COMMANDS) {
  test(`reads ${title}`, (t) => t.deepEqual(words(text), expected));
}

const REFUSED: [title: string, text: string][] = [
  ["a quote that does not end", "c 'a"],
  ["a quote that does not end behind a doubled one", "c 'a''"],
  ["a quote inside a bare word", "c a'b'"],
  ["text behind a quoted value", "c 'a'b"],
  ["a name without a value", "c name="],
  ["a name and a space before the value", "c name= value"],
  ["a quote right behind the command", "c'a'"],
  ["a name that is none", "1c"],
  ["two commands", "branch_list; branch_list"],
  ["a semicolon inside a bare word", "c a;b"],
  ["a comment that does not end", "/* a /* b */ c"],
  ["a semicolon in front of a command", "; branch_list"],
];

for (const [title, text] of REFUSED) {
  test(`refuses ${title} as a syntax error with a hint`, (t) => {
    const error = t.throws(() => parseStatement(text), { code: "syntax_error" }) as Error & { hint?: string };
    t.truthy(error.hint);
  });
}

test("an error does not quote the text, which can hold a password", (t) => {
  for (const [, text] of REFUSED) {
    const error = t.throws(() => parseStatement(text.replaceAll("a", "hunter2")));
    t.false(error.message.includes("hunter2"));
  }
});

for (const text of ["", "  ", ";", " ; ;\n", "-- ping", "/* */", "/* a /* b */ c; */ ; -- d", "--\n--\n"]) {
  test(`${JSON.stringify(text)} is an empty query`, (t) => t.is(parseStatement(text).kind, "empty"));
}

const IGNORED: [text: string, tag: string][] = [
  ["BEGIN", "BEGIN"],
  ["begin transaction;", "BEGIN"],
  ["START TRANSACTION", "BEGIN"],
  ["Commit", "COMMIT"],
  ["END", "COMMIT"],
  ["ROLLBACK;", "ROLLBACK"],
  ["SET client_encoding TO 'UTF8'", "SET"],
  ["SET a = 'b;c'", "SET"],
];

for (const [text, tag] of IGNORED) {
  test(`${text} is accepted and does nothing`, (t) =>
    t.deepEqual(parseStatement(text), { kind: "ignored", tag }));
}

test("BEGIN does not carry a second command along", (t) => {
  t.throws(() => parseStatement("BEGIN; branch_list"), { code: "syntax_error" });
});

test("a longest command of quotes is read without trouble", (t) => {
  const value = "'".repeat(32_000);
  t.deepEqual(words(`c '${value.replaceAll("'", "''")}'`), [[undefined, value]]);
});
