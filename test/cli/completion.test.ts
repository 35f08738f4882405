import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import { complete } from "../../src/cli/complete.js";
import { completionScript, SHELLS } from "../../src/cli/completion-script.js";
import { temporaryServer } from "../support/temporary-server.js";
import { MAIN, neon, temporaryDirectory, temporaryRepository } from "./support/neon.js";

const values = async (...words: string[]) => (await complete(words)).map((line) => line.split("\t")[0]);

const CASES: [title: string, words: string[], expected: string[]][] = [
  ["a command", ["pu"], ["push", "pull"]],
  ["a command behind options", ["--json", "-C", "/nowhere", "ver"], ["verify", "version"]],
  ["a command of a group", ["branch", "re"], ["rename"]],
  ["every command of a group", ["user", ""], ["add", "list", "remove"]],
  ["a long option", ["push", "main", "--f"], ["--force", "--force-with-lease", "--follow"]],
  ["an option of every command", ["gc", "--js"], ["--json"]],
  ["an option of the program", ["--ver"], ["--version"]],
  ["the commands that help explains", ["help", "or"], ["origin"]],
  ["a shell", ["completion", ""], [...SHELLS]],
  ["a directory for -C", ["-C", "x"], [":directories"]],
  ["a directory to export to", ["export", "main", ""], [":directories"]],
  ["nothing for the value of an option", ["push", "main", "cloud", "--bwlimit", ""], []],
  ["nothing behind the last argument", ["export", "main", "there", ""], []],
  ["nothing behind an unknown command", ["xyzzy", ""], []],
  ["nothing that begins with a dash behind --", ["branch", "show", "--", "x"], []],
];

for (const [title, words, expected] of CASES) {
  test(`completes ${title}`, async (t) => t.deepEqual((await values(...words)).sort(), [...expected].sort()));
}

test("candidates say what they are", async (t) => {
  t.deepEqual(await complete(["gc", "--a"]), [
    "--all\tAlso what broken-off pushes and pulls left for the next attempt",
  ]);
});

async function servedRepository(t: ExecutionContext): Promise<string> {
  const directory = await temporaryRepository(t);
  await neon(directory, "origin", "add", "cloud", "postgresql://127.0.0.1:1/");
  await neon(directory, "origin", "add", "backup", "postgresql://127.0.0.1:1/");
  return directory;
}

test.serial(
  "origins come from the repository, also where no page server runs, and none is started",
  async (t) => {
    const directory = await servedRepository(t);
    const asked = (...words: string[]) => neon(directory, "__complete", "--", ...words);
    t.deepEqual(await asked("push", "main", ""), { status: 0, stdout: "cloud\nbackup\n", stderr: "" });
    t.deepEqual(await asked("branch", "show", ""), { status: 0, stdout: "", stderr: "" });
    t.is((await neon(directory, "status")).status, 1);
  },
);

test.serial("branches come from a page server that runs", async (t) => {
  const server = await temporaryServer({ branches: ["main", "feature/x"] });
  t.teardown(() => server.remove());
  const directory = dirname(server.directory);
  const { stdout } = await neon("/", "__complete", "--", "-C", directory, "branch", "show", "");
  t.is(stdout, "feature/x\nmain\n");
  t.is((await neon(directory, "__complete", "--", "push", "f")).stdout, "feature/x\n");
});

test.serial("outside of a repository nothing is completed, and no error printed", async (t) => {
  const directory = await temporaryDirectory(t);
  for (const words of [
    ["push", "main", ""],
    ["branch", "show", ""],
    ["-C", "/nowhere", "push", "main", ""],
  ])
    t.deepEqual(await neon(directory, "__complete", "--", ...words), { status: 0, stdout: "", stderr: "" });
});

/** Has a real bash complete a line, as its Tab key would, and gives COMPREPLY. */
function inBash(t: ExecutionContext, directory: string, line: string): string[] {
  const bin = join(directory, "bin");
  mkdirSync(bin, { recursive: true });
  try {
    symlinkSync(MAIN, join(bin, "neon"));
  } catch {}
  // COMP_WORDS is not looked at: bash has cut it at colons and equals signs.
  const program = `${completionScript("bash")}
COMP_LINE=$1 COMP_POINT=\${#1}
_neon
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", program, "bash", line], {
    cwd: directory,
    encoding: "utf8",
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  t.is(stderr, "");
  return stdout.split("\n").filter((each) => each !== "");
}

test.serial("bash completes commands, options, origins, and directories", async (t) => {
  const directory = await servedRepository(t);
  mkdirSync(join(directory, "a dir"));
  t.deepEqual(inBash(t, directory, "neon pu"), ["push", "pull"]);
  t.deepEqual(inBash(t, directory, "neon push --dr"), ["--dry-run"]);
  t.deepEqual(inBash(t, directory, "neon push main cl"), ["cloud"]);
  t.deepEqual(inBash(t, directory, "neon export main a"), ["a dir"]);
  t.deepEqual(inBash(t, directory, "neon push main 'unfinished"), []);
});

test.serial("fish completes with descriptions", async (t) => {
  const fish = findTool("fish");
  if (fish === undefined) return t.pass();
  const directory = await servedRepository(t);
  const bin = join(directory, "bin");
  mkdirSync(bin);
  symlinkSync(MAIN, join(bin, "neon"));
  const ask = (line: string) => {
    const script = `${completionScript("fish")}\ncomplete -C ${JSON.stringify(line)}`;
    const env = { ...process.env, HOME: directory, PATH: `${bin}:${process.env.PATH}` };
    return spawnSync(fish, ["-c", script], { cwd: directory, encoding: "utf8", env }).stdout;
  };
  t.is(ask("neon gc --a"), "--all\tAlso what broken-off pushes and pulls left for the next attempt\n");
  t.is(ask("neon push main cl"), "cloud\n");
});

test("zsh finds no fault in its script", (t) => {
  const zsh = findTool("zsh");
  if (zsh === undefined) return t.pass();
  const { status, stderr } = spawnSync(zsh, ["-f", "-n"], {
    input: completionScript("zsh"),
    encoding: "utf8",
  });
  t.deepEqual({ status, stderr }, { status: 0, stderr: "" });
});
