import { spawnSync } from "node:child_process";
import test from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import { listCommands } from "../../src/cli/commands.js";
import { formatManual } from "../../src/cli/manual.js";

function mandoc(...words: string[]): { status: number | null; stdout: string } | undefined {
  const tool = findTool("mandoc");
  return tool === undefined ? undefined : spawnSync(tool, words, { input: formatManual(), encoding: "utf8" });
}

test("mandoc finds no fault in the manual page", (t) => {
  const linted = mandoc("-T", "lint", "-W", "warning");
  if (linted === undefined) return t.pass();
  // A page with a date would be another one at every build.
  t.deepEqual(
    linted.stdout.split("\n").filter((line) => line !== "" && !line.includes("missing date")),
    [],
  );
});

test("the manual page shows every command, option and argument as its help does", (t) => {
  const shown = mandoc("-T", "ascii", "-O", "width=200");
  if (shown === undefined) return t.pass();
  // What is bold is a letter, a backspace and the letter again.
  const text = shown.stdout.replaceAll(/.[\b]/g, "").replaceAll(/\s+/g, " ");
  for (const { words, command } of listCommands()) {
    t.true(text.includes(`neon ${words.join(" ")}`), words.join(" "));
    t.true(text.includes(command.summary), command.summary);
    for (const [name, { describe }] of Object.entries(command.options)) {
      t.true(text.includes(`--${name}`), name);
      t.true(text.includes(describe), describe);
    }
    for (const { describe } of Object.values(command.arguments)) t.true(text.includes(describe), describe);
  }
});
