import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { postgresUser } from "../../scripts/support/postgres-user.js";
import {
  createTemporaryDirectory,
  type TemporaryDirectory,
} from "../../scripts/support/temporary-directory.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

let home: TemporaryDirectory;
let prefix: string;
let installed: SpawnSyncReturns<string>;

/** Makes an archive of a package as it would be published. Its scripts would build what other tests run meanwhile. */
function pack(directory: string): string {
  const words = ["pack", directory, "--json", "--ignore-scripts", "--pack-destination", home.path];
  const { status, stdout, stderr } = spawnSync("npm", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return join(home.path, JSON.parse(stdout)[0].filename);
}

function install(archive: string): SpawnSyncReturns<string> {
  const words = [
    "install",
    "--global",
    "--prefix",
    prefix,
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    archive,
  ];
  return spawnSync("npm", words, { encoding: "utf8", cwd: home.path });
}

/** Runs a command of the prefix as an ordinary user, with little in its environment. */
function run(command: string, ...words: string[]): SpawnSyncReturns<string> {
  const user = postgresUser();
  return spawnSync(join(prefix, "bin", command), words, {
    encoding: "utf8",
    cwd: join(home.path, "work"),
    env: { PATH: process.env.PATH, HOME: join(home.path, "work") },
    uid: user?.uid,
    gid: user?.gid,
  });
}

test.before(async () => {
  home = await createTemporaryDirectory("neon-global-");
  prefix = join(home.path, "prefix");
  const theirs = join(home.path, "theirs");
  for (const directory of [theirs, join(home.path, "work")]) mkdirSync(directory);
  const user = postgresUser();
  if (user !== undefined) chownSync(join(home.path, "work"), user.uid, user.gid);
  // npm's packages neon and neonctl both bring a command of this name.
  writeFileSync(
    join(theirs, "package.json"),
    JSON.stringify({ name: "another", version: "1.0.0", bin: { neon: "neon.sh" } }),
  );
  writeFileSync(join(theirs, "neon.sh"), "#!/bin/sh\necho another neon\n", { mode: 0o755 });
  const other = install(pack(theirs));
  if (other.status !== 0) throw new Error(other.stderr);
  installed = install(pack(ROOT));
});

test.after.always(() => home.remove());

test.serial("the package is installed beside another command neon, without a warning about it", (t) => {
  t.is(installed.status, 0, installed.stderr);
  // Those of lmdb, which works without its script, are not ours.
  t.notRegex(installed.stderr, /warn.*(neon-push-pull|deprecated|EBADENGINE)/);
  t.is(run("neon").stdout, "another neon\n");
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  t.is(run("neon-push-pull", "--version").stdout, `${version}\n`);
});

test.serial(
  "what is installed makes a repository, serves it, lists, imports with its workers, and stops",
  (t) => {
    const neon = (...words: string[]) => {
      const { status, stdout, stderr } = run("neon-push-pull", ...words);
      t.is(status, 0, `${words.join(" ")}: ${stderr}`);
      return stdout;
    };
    neon("init", "--listen", "127.0.0.1:0");
    t.is(neon("branch", "list"), "No branches\n");
    t.regex(neon("start"), /^Started: neon /);
    t.teardown(() => void run("neon-push-pull", "stop", "--now"));
    t.is(neon("branch", "list"), "No branches\n");
    t.regex(neon("status"), /^Running: /);
    t.regex(neon("stop"), /^Stopped /);
  },
);

test.serial("the manual page is where man looks, and the licences of what is bundled lie beside it", (t) => {
  for (const name of ["neon", "neon-push-pull"])
    t.true(existsSync(join(prefix, "share/man/man1", `${name}.1`)));
  const bundle = join(prefix, "lib/node_modules/neon-push-pull/dist/bundle");
  t.regex(readFileSync(join(bundle, "LICENSES.txt"), "utf8"), /^@bufbuild\/protobuf .*^pg .*^tar-stream /ms);
});
