import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { listCommands } from "../../src/cli/commands.js";
import { neon, temporaryDirectory, temporaryRepository } from "./support/neon.js";

/** Options without which a command is none. */
const NEEDED: Record<string, string[]> = { repair: ["--rebuild-index"] };

test.serial(
  "where .neon is a file of another program, every command that needs a repository says so",
  async (t) => {
    const directory = await temporaryDirectory(t);
    await writeFile(join(directory, ".neon"), '{"projectId":"p"}');
    const without = ["help", "version", "completion"];
    for (const { words, command } of listCommands().filter(
      ({ words: [first] }) => !without.includes(first as string),
    )) {
      // A password would be asked for after this.
      const operands = Object.keys(command.arguments).map((name) =>
        name === "uri" ? "postgresql://127.0.0.1:1/" : name,
      );
      const { status, stdout, stderr } = await neon(
        directory,
        ...words,
        ...operands,
        ...(NEEDED[words.join(" ")] ?? []),
      );
      t.is(status, 1, words.join(" "));
      t.is(stdout, "");
      t.regex(
        stderr,
        /^neon: .*\/\.neon is a file, and no neon repository\nhint: .*neonctl/,
        words.join(" "),
      );
    }
    t.is(await readFile(join(directory, ".neon"), "utf8"), '{"projectId":"p"}');
  },
);

test.serial("a repository above a file .neon is found", async (t) => {
  const directory = await temporaryRepository(t);
  const below = join(directory, "below");
  await mkdir(below);
  await writeFile(join(below, ".neon"), "");
  t.is((await neon(below, "branch", "list")).stdout, "No branches\n");
});
