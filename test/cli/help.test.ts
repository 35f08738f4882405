import test from "ava";
import { COMMANDS, listCommands } from "../../src/cli/commands.js";
import { formatHelp } from "../../src/cli/help.js";

const entries = [
  { words: [] as readonly string[], entry: undefined },
  ...COMMANDS.map((entry) => ({ words: [entry.name], entry })),
  ...listCommands().map(({ words, command }) => ({ words, entry: command })),
];

for (const width of [40, 50, 80, 100]) {
  test(`no help is wider than ${width} columns, and none breaks a word`, (t) => {
    for (const { words, entry } of entries) {
      const help = formatHelp(words, entry, width);
      for (const line of help.split("\n")) {
        t.true(line.length <= width || !line.trim().includes(" "), `${words.join(" ")}: ${line}`);
        t.is(line, line.trimEnd());
      }
      const wordsOf = (text: string) => text.split(/\s+/).filter(Boolean);
      t.deepEqual(wordsOf(help), wordsOf(formatHelp(words, entry, 10_000)));
    }
  });
}

test("every command has a summary in the imperative, and describes all that it takes", (t) => {
  for (const { words, command } of listCommands()) {
    t.regex(command.summary, /^[A-Z][a-z]+ .*[^.]$/, words.join(" "));
    for (const { describe } of [...Object.values(command.arguments), ...Object.values(command.options)])
      t.true(describe.length > 3, words.join(" "));
  }
});

test("options of a command have names of their own", (t) => {
  for (const { words, command } of listCommands()) {
    const names = Object.entries(command.options).flatMap(([name, { short = [] }]) => [name, ...short]);
    t.is(new Set(names).size, names.length, words.join(" "));
    for (const taken of ["json", "help", "h", "C"]) t.false(names.includes(taken), words.join(" "));
  }
});
