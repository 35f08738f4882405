import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { COMMANDS } from "../../src/cli/commands.js";
import { MAIN, neon, temporaryDirectory, temporaryRepository } from "./support/neon.js";

const WRONG: [title: string, words: string[], message: RegExp][] = [
  ["no command", [], /no command given/],
  ["an unknown command", ["xyzzy"], /unknown .*: xyzzy/],
  ["a misspelt command", ["brnch"], /unknown command: brnch\nhint: Did you mean neon branch\?/],
  ["a command of git's", ["fetch"], /unknown command: fetch\nhint: Did you mean neon pull\?/],
  ["a command like no other", ["foo", "main"], /unknown command: foo\nhint: `neon --help`/],
  [
    "a misspelt command of a group",
    ["branch", "lst"],
    /unknown command: branch lst\nhint: Did you mean neon branch list\?/,
  ],
  ["a flag with a value that is none", ["branch", "list", "--json=maybe"], /option --json takes no value/],
  [
    "a dry run with a value that is none",
    ["push", "main", "cloud", "--dry-run=yes"],
    /option --dry-run takes no value\nhint: `neon push --help`/,
  ],
  ["a short flag with a value", ["push", "main", "cloud", "-f=no"], /option -f takes no value/],
  ["an option behind --", ["push", "main", "cloud", "--", "--force"], /too many arguments for push: --force/],
  [
    "a missing argument",
    ["push", "main"],
    /push needs a destination\nhint: Usage: neon push .* Name another/,
  ],
  ["two missing arguments", ["import"], /import needs a branch and a URI\nhint: Usage: neon import /],
  ["a missing argument of a group's command", ["branch", "create", "dev"], /branch create needs a source\n/],
  ["a superfluous argument", ["push", "main", "cloud", "now"], /too many arguments for push: now/],
  ["an unknown option", ["push", "main", "--xyzzy"], /unknown option: --xyzzy\nhint: `neon push --help`/],
  ["a misspelt option", ["push", "main", "--forse"], /unknown option: --forse\nhint: Did you mean --force\?/],
  ["half an option", ["push", "main", "--dry"], /unknown option: --dry\nhint: Did you mean --dry-run\?/],
  [
    "an option with one dash too few",
    ["push", "-folow"],
    /unknown option: -folow\nhint: Did you mean --follow\?/,
  ],
  ["another command's option", ["pull", "main", "cloud", "--follow"], /unknown option: --follow\n/],
  [
    "an unknown option of a group",
    ["branch", "--xyzzy"],
    /unknown option: --xyzzy\nhint: `neon branch --help`/,
  ],
  ["an option without its value", ["-C"], /option -C needs a value: -C DIR/],
  [
    "an option before another one's value",
    ["push", "main", "cloud", "--bwlimit", "-n"],
    /--bwlimit needs a value/,
  ],
  ["a rate that is none", ["push", "main", "cloud", "--bwlimit", "10 parsecs"], /--bwlimit takes a number/],
  [
    "help for an unknown command",
    ["help", "pusch"],
    /unknown command: pusch\nhint: Did you mean neon push\?/,
  ],
  ["help for an unknown command of a group", ["help", "branch", "lst"], /unknown command: branch lst\n/],
  ["an unknown command's help", ["xyzzy", "--help"], /unknown command: xyzzy/],
  ["a dry run that follows", ["push", "main", "cloud", "-n", "--follow"], /--dry-run moves nothing/],
  ["a destination without an origin", ["push", "main", ":other"], /origin or origin:branch/],
  ["a destination without a branch", ["push", "main", "cloud:"], /origin or origin:branch/],
];

for (const [title, words, message] of WRONG) {
  test.serial(`${title} is a usage error: status 2, nothing on stdout`, async (t) => {
    const directory = await temporaryDirectory(t);
    const { status, stdout, stderr } = await neon(directory, ...words);
    t.is(status, 2);
    t.is(stdout, "");
    t.regex(stderr, /^neon: [^\n]+\nhint: [^\n]+\n$/);
    t.regex(stderr, message);
  });
}

test.serial("what follows -- are arguments, whatever they begin with", async (t) => {
  const directory = await temporaryRepository(t);
  const show = await neon(directory, "branch", "--json", "show", "--", "nothing");
  t.is(JSON.parse(show.stderr).error.message, 'branch "nothing" does not exist');
  const dashed = await neon(directory, "branch", "show", "--", "--json");
  t.regex(dashed.stderr, /^neon: "--json" is not a branch name: it begins with a dash\n/);
});

test.serial("the version is printed however one asks for it", async (t) => {
  const directory = await temporaryDirectory(t);
  const { version } = JSON.parse(await readFile(new URL("../../../package.json", import.meta.url), "utf8"));
  for (const words of [["--version"], ["-V"], ["-v"], ["version"], ["-C", directory, "version"]])
    t.deepEqual(await neon(directory, ...words), { status: 0, stdout: `${version}\n`, stderr: "" });
});

test.serial(
  "help comes before a command, behind it and as a command, and for wrong command lines too",
  async (t) => {
    const directory = await temporaryDirectory(t);
    const help = (...words: string[]) => neon(directory, ...words);
    const program = await help("--help");
    t.is(program.status, 0);
    for (const { name } of COMMANDS) t.regex(program.stdout, new RegExp(`^  ${name} `, "m"));
    for (const words of [["help"], ["-h"], ["-C", directory, "--help"]])
      t.deepEqual(await help(...words), program);
    const push = await help("push", "--help");
    t.regex(push.stdout, /^Usage: neon push \[options\] <branch> <destination>\n/);
    for (const words of [
      ["help", "push"],
      ["--help", "push"],
      ["push", "main", "--xyzzy", "-h"],
    ])
      t.deepEqual(await help(...words), push);
    t.regex((await help("help", "branch", "create")).stdout, /^Usage: neon branch create <name> <source>\n/);
    t.deepEqual(await help("branch", "--help"), await help("help", "branch"));
  },
);

test.serial("a group alone lists", async (t) => {
  const directory = await temporaryRepository(t);
  for (const [group, none] of [
    ["branch", "No branches\n"],
    ["origin", "No origins\n"],
    ["user", "No users\n"],
  ] as const) {
    t.deepEqual(await neon(directory, group), { status: 0, stdout: none, stderr: "" });
    t.is((await neon(directory, group, "--json")).stdout, "[]\n");
  }
});

test.serial("where a destination is missing, the hint names the origins that are there", async (t) => {
  const directory = await temporaryRepository(t);
  for (const name of ["cloud", "backup"])
    await neon(directory, "origin", "add", name, "postgresql://me:s3cret@127.0.0.1:1/");
  const { status, stderr } = await neon(tmpdir(), "-C", directory, "push", "main");
  t.is(status, 2);
  t.regex(stderr, /^neon: push needs a destination\nhint: Usage: .* Origins here: cloud, backup\n$/);
});

test.serial(
  "outside of a repository every command that needs one says what to do, with status 1",
  async (t) => {
    const directory = await temporaryDirectory(t);
    for (const words of [["status"], ["start"], ["stop"], ["branch", "list"], ["push", "main", "cloud"]]) {
      const { status, stderr } = await neon(directory, ...words);
      t.is(status, 1);
      t.regex(stderr, /^neon: there is no neon repository in .*\nhint: neon init /);
    }
  },
);

test.serial(
  "a repository is found from below, and through -C, which is where relative paths begin",
  async (t) => {
    const directory = await temporaryRepository(t);
    await neon(directory, "origin", "add", "cloud", "postgresql://127.0.0.1:1/");
    const elsewhere = await temporaryDirectory(t);
    for (const [cwd, where] of [
      [join(directory, ".neon"), "."],
      [elsewhere, directory],
    ] as const) {
      const { status, stdout } = await neon(cwd, "-C", where, "origin", "list");
      t.is(status, 0);
      t.regex(stdout, /^cloud /m);
    }
    const missing = await neon(elsewhere, "-C", "nowhere", "status");
    t.is(missing.status, 1);
    t.regex(missing.stderr, /^neon: cannot change to "nowhere": No such file or directory\nhint: /);
  },
);

test.serial(
  "with --json an error is one JSON object on stderr and a result one line on stdout",
  async (t) => {
    const directory = await temporaryRepository(t);
    t.deepEqual(await neon(directory, "branch", "list", "--json"), { status: 0, stdout: "[]\n", stderr: "" });

    const refused = await neon(directory, "--json", "branch", "show", "main");
    t.is(refused.status, 1);
    t.is(refused.stdout, "");
    const { error } = JSON.parse(refused.stderr);
    t.is(error.code, "undefined_object");
    t.is(error.sqlstate, "42704");
    t.is(error.message, 'branch "main" does not exist');
    t.is(typeof error.hint, "string");

    const wrong = await neon(directory, "--json", "xyzzy");
    t.is(wrong.status, 2);
    t.is(JSON.parse(wrong.stderr).error.sqlstate, "42601");
  },
);

test.serial("origins are added, listed without passwords, and removed", async (t) => {
  const directory = await temporaryRepository(t);
  const uri = "postgresql://me:s3cret@127.0.0.1:6401/";
  t.is((await neon(directory, "origin", "add", "cloud", uri)).stdout, "Added origin cloud\n");
  const listed = await neon(directory, "origin", "list");
  t.is(listed.stdout, "ORIGIN  URI\ncloud   postgresql://me@127.0.0.1:6401/\n");
  t.is((await neon(directory, "origin", "add", "cloud", uri)).status, 1);
  t.deepEqual(JSON.parse((await neon(directory, "origin", "remove", "cloud", "--json")).stdout), {
    name: "cloud",
  });
  const gone = await neon(directory, "origin", "remove", "cloud");
  t.is(gone.status, 1);
  t.regex(gone.stderr, /\nhint: neon origin list /);
});

test.serial(
  "a password on the command line is never printed, whatever is wrong with the command",
  async (t) => {
    const directory = await temporaryRepository(t);
    const uri = "postgresql://me:s3cret@127.0.0.1:1/";
    for (const words of [
      ["push", "main", uri],
      ["push", uri, "main"],
      ["import", "main", uri],
      ["import", uri, "main"],
      ["import", "main", "postgresql://me:s3cret@127.0.0.1:port/"],
      ["import", "main", uri, uri],
      ["import", "main", "me:s3cret@127.0.0.1"],
      ["push", "main", "me:s3cret@127.0.0.1"],
      ["pull", "main", "me:p:s3cret@127.0.0.1:1/"],
      ["push", "main", "postgresql:/me:s3cret@127.0.0.1/"],
      ["branch", "list", "me:s3cret@127.0.0.1"],
      ["origin", "add", "cloud", "me:s3cret@127.0.0.1"],
      ["origin", "add", "cloud", "postgresql://me:s3cret%zz@127.0.0.1/"],
      [uri],
      ["origin", "add", uri, uri],
      ["branch", "show", uri],
    ]) {
      const { status, stdout, stderr } = await neon(directory, ...words);
      t.not(status, 0, words.join(" "));
      t.not(stderr, "");
      t.notRegex(stdout + stderr, /s3cret/, words.join(" "));
    }
  },
);

test.serial(
  "no stack trace is printed, unless NEON_DEBUG=1 asks for it, and then one of the source",
  async (t) => {
    const directory = await temporaryRepository(t);
    for (const [debug, trace] of [
      ["0", false],
      ["1", true],
    ] as const) {
      const child = spawn(process.execPath, [MAIN, "status"], {
        cwd: directory,
        env: { ...process.env, NEON_DEBUG: debug },
        stdio: ["ignore", "ignore", "pipe"],
      });
      const stderr = (await child.stderr.setEncoding("utf8").toArray()).join("");
      t.is(/^ +at .*src\/cli\/running-server\.ts:\d+:\d+/m.test(stderr), trace, stderr);
    }
  },
);

test.serial("a reader that goes away early is no error", async (t) => {
  const directory = await temporaryRepository(t);
  const child = spawn(process.execPath, [MAIN, "--help"], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.destroy();
  const [[status], stderr] = await Promise.all([
    once(child, "close"),
    child.stderr.setEncoding("utf8").toArray(),
  ]);
  t.is(status, 0);
  t.deepEqual(stderr, []);
});
