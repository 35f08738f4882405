import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import test from "ava";
import fc from "fast-check";
import { PageServerService } from "../../../gen/neon/pageserver/v1/service_pb.js";
import type { NeonError } from "../../../src/errors.js";
import { requireCommand } from "../../../src/server/command/commands.js";
import { formatCommand } from "../../../src/server/command/format-command.js";
import { parseStatement } from "../../../src/server/command/grammar.js";
import { parseRequest } from "../../../src/server/command/request.js";
import { type SampleField, sampleMethod, scalarMethod } from "../../support/sample-service.js";

function parse(method: DescMethod, text: string): Message & Record<string, unknown> {
  const statement = parseStatement(`command ${text}`);
  if (statement.kind !== "command") throw new Error(statement.kind);
  return parseRequest(method, statement.words) as Message & Record<string, unknown>;
}

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

const GOOD: [field: SampleField, word: string, value: unknown][] = [
  ["text", "main", "main"],
  ["text", "''", ""],
  ["flag", "true", true],
  ["flag", "OFF", false],
  ["flag", "t", true],
  ["raw", "00ff", bytes("00ff")],
  ["raw", "\\x00FF", bytes("00ff")],
  ["raw", "''", bytes("")],
  ["small", "-2147483648", -2147483648],
  ["zigzag", "2147483647", 2147483647],
  ["fixed_small", "-1", -1],
  ["count", "4294967295", 4294967295],
  ["fixed_count", "0", 0],
  ["big", "-9223372036854775808", -9223372036854775808n],
  ["big_zigzag", "9223372036854775807", 9223372036854775807n],
  ["fixed_big", "-1", -1n],
  ["total", "18446744073709551615", 18446744073709551615n],
  ["fixed_total", "1", 1n],
  ["ratio", "-1.5e3", -1500],
  ["ratio", "Infinity", Number.POSITIVE_INFINITY],
  ["short_ratio", "0.5", 0.5],
  ["position", "16/B374D848", 0x16b374d848n],
  ["mood", "very_bad", 2],
];

for (const [field, word, value] of GOOD) {
  test(`a field of type ${field} takes ${word}`, (t) => {
    t.deepEqual(parse(scalarMethod(field), word).value, value);
    t.deepEqual(parse(scalarMethod(field), `${word} many=${word} many=${word}`).many, [value, value]);
  });
}

const BAD: [field: SampleField, word: string][] = [
  ["flag", "maybe"],
  ["raw", "0"],
  ["raw", "zz"],
  ["small", "2147483648"],
  ["small", "1.0"],
  ["small", "0x10"],
  ["count", "-1"],
  ["count", "4294967296"],
  ["count", "''"],
  ["big", "9223372036854775808"],
  ["total", "18446744073709551616"],
  ["total", "-1"],
  ["ratio", "much"],
  ["ratio", "''"],
  ["position", "23"],
  ["position", "100000000/0"],
  ["mood", "MOOD_GOOD"],
  ["mood", "unknown"],
];

for (const [field, word] of BAD) {
  test(`a field of type ${field} refuses ${word} with 22023 and the usage line`, (t) => {
    const error = t.throws(() => parse(scalarMethod(field), word)) as NeonError;
    t.is(error.sqlstate, "22023");
    t.true(error.hint?.startsWith("Usage: "));
  });
}

test("words fill fields by number, optional ones by name", (t) => {
  const { first, second, third } = parse(sampleMethod(), "a 7 third=x");
  t.deepEqual([first, second, third], ["a", 7, "x"]);
  t.is(parse(sampleMethod(), "a 7").third, undefined);
});

test("a field can be named out of its place", (t) => {
  const { first, second } = parse(sampleMethod(), "a second=7");
  t.deepEqual([first, second], ["a", 7]);
});

const WRONG: [title: string, text: string, message: RegExp][] = [
  ["a missing argument", "a", /"second" is missing/],
  ["an argument too many", "a 7 x", /too many arguments: 2/],
  ["an optional argument without its name", "a 7 x", /too many/],
  ["an unknown name", "a 7 fourth=x", /no argument "fourth"/],
  ["a name that objects inherit", "a 7 constructor=x", /no argument "constructor"/],
  ["the same name twice", "a 7 third=x third=y", /"third" is given twice/],
  ["a field by place and by name", "a 7 first=b", /"first" is given twice/],
];

for (const [title, text, message] of WRONG) {
  test(`refuses ${title} with 42601 and the usage line`, (t) => {
    const error = t.throws(() => parse(sampleMethod(), text), { message }) as NeonError;
    t.is(error.sqlstate, "42601");
    t.is(error.hint, "Usage: take_request <first> <second> [third=…]");
  });
}

test("no refusal quotes a value", (t) => {
  for (const text of ["hunter2 hunter2", "a 7 hunter2", "a 7 fourth=hunter2"]) {
    t.false(t.throws(() => parse(sampleMethod(), text)).message.includes("hunter2"));
  }
});

test("an unknown command is refused with 42883 and the nearest one", (t) => {
  const error = t.throws(() => requireCommand("branch_lst")) as NeonError;
  t.is(error.sqlstate, "42883");
  t.regex(error.hint ?? "", /"branch_list"/);
  t.notRegex((t.throws(() => requireCommand("select")) as NeonError).hint ?? "", /Perhaps/);
});

test("what formatCommand writes is read back, whatever the values are", (t) => {
  const method = PageServerService.method.performPush;
  const text = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0"));
  const request = fc.record(
    { branch: text, uri: text, destinationBranch: text, progress: fc.boolean() },
    { requiredKeys: ["branch", "uri"] },
  );
  fc.assert(
    fc.property(request, (given) => {
      const statement = parseStatement(formatCommand(method, given));
      if (statement.kind !== "command") return t.fail();
      t.is(requireCommand(statement.name), method);
      t.deepEqual(parseRequest(method, statement.words), create(method.input, given));
    }),
  );
});

test("a command has one form for people and CI: bare words where they can be", (t) => {
  t.is(
    formatCommand(PageServerService.method.performPush, {
      branch: "main",
      uri: "postgresql://h/?a=b",
      destinationBranch: "it's",
    }),
    "perform_push main 'postgresql://h/?a=b' destination_branch='it''s'",
  );
  t.is(
    formatCommand(PageServerService.method.branchPush, { branch: "", timelineId: bytes("00ff") }),
    "branch_push '' 00ff",
  );
});

test("a zero byte cannot be written into a command", (t) => {
  t.throws(() => formatCommand(PageServerService.method.branchShow, { branch: "a\0b" }), {
    code: "invalid_parameter_value",
  });
});
