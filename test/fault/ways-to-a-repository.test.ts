import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { findTool, type Tool } from "../../scripts/support/find-tool.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { acquireLock } from "../../src/server/repository-lock.js";
import { neon } from "../cli/support/neon.js";
import { startHolder } from "../server/support/holder.js";
import { eventually, startServer } from "./support/repository.js";

/** A way to reach a directory. */
interface Way {
  readonly name: string;
  readonly tools: readonly Tool[];
  /** Makes another view of `real` at `view`, which is empty, for the whole test. */
  mount?(t: ExecutionContext, real: string, view: string): void;
  /** A command that runs another one where `view` is one of `real`, and is killed with it. */
  enter(real: string, view: string): readonly string[];
  /** Whether the other one is reached under its own path. */
  readonly same?: true;
}

const PID_NAMESPACE = ["unshare", "-p", "-f", "-m", "--mount-proc", "--kill-child"];

const WAYS: readonly Way[] = [
  { name: "a network namespace of its own", tools: ["unshare"], enter: () => ["unshare", "-n"], same: true },
  { name: "a pid namespace of its own", tools: ["unshare"], enter: () => PID_NAMESPACE, same: true },
  {
    name: "a bind mount in a mount namespace of its own",
    tools: ["unshare", "mount"],
    enter: (real, view) => [
      ...["unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh"],
      ...[real, view],
    ],
  },
  { name: "a FUSE file system", tools: ["bindfs"], mount: bindfs, enter: () => [] },
  {
    name: "a FUSE file system in a pid namespace of its own",
    tools: ["bindfs", "unshare"],
    mount: bindfs,
    enter: () => PID_NAMESPACE,
  },
];

function bindfs(t: ExecutionContext, real: string, view: string): void {
  const { status, stderr } = spawnSync("bindfs", [real, view], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  t.teardown(() => void spawnSync("umount", ["-l", view]));
}

/** A directory and another view of it, with a command before what is to use that. Undefined if the tools are missing. */
async function prepare(t: ExecutionContext, way: Way) {
  if (process.getuid?.() !== 0 || way.tools.some((tool) => findTool(tool) === undefined)) {
    t.log("not root, or a tool is not installed: not checked");
    t.pass();
    return undefined;
  }
  const temporary = await createTemporaryDirectory("neon-ways-");
  t.teardown(() => temporary.remove());
  const [real, other] = [join(temporary.path, "real"), join(temporary.path, "view")];
  await mkdir(real);
  await mkdir(other);
  way.mount?.(t, real, other);
  return { real, view: way.same ? real : other, enter: way.enter(real, other) };
}

for (const way of WAYS) {
  test(`who comes by ${way.name} does not get what is held, and gets it when the holder is killed`, async (t) => {
    const place = await prepare(t, way);
    if (place === undefined) return;
    const { real, view, enter } = place;
    const holder = await startHolder(t, real);
    t.is(holder.said, "held");
    t.regex((await startHolder(t, view, enter)).said, /^object_in_use: /);
    holder.child.kill("SIGKILL");
    await once(holder.child, "exit");
    const next = await startHolder(t, view, enter);
    t.is(next.said, "held");
    await next.end();
    await (await acquireLock(real)).release();
  });

  test(`who holds a repository by ${way.name} keeps it from others, until it is killed`, async (t) => {
    const place = await prepare(t, way);
    if (place === undefined) return;
    const { real, view, enter } = place;
    const holder = await startHolder(t, view, enter);
    t.is(holder.said, "held");
    await t.throwsAsync(acquireLock(real), { code: "object_in_use" });
    holder.child.kill("SIGKILL");
    // What was killed is the command that ran it; the kernel kills the rest.
    t.true(await eventually(() => isFree(real)));
  });
}

test("of many that come at once, some of them through a FUSE file system, one gets a repository that a dead one left", async (t) => {
  const place = await prepare(t, WAYS[3]);
  if (place === undefined) return;
  const { real, view } = place;
  const before = await startHolder(t, real);
  before.child.kill("SIGKILL");
  await once(before.child, "exit");
  const ways = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? real : view));
  const holders = await Promise.all(ways.map((directory) => startHolder(t, directory)));
  const said = holders.map((holder) => holder.said);
  t.is(said.filter((text) => text === "held").length, 1, said.join("\n"));
  for (const text of said.filter((other) => other !== "held")) t.regex(text, /^object_in_use: /);
});

async function isFree(directory: string): Promise<boolean> {
  try {
    await (await acquireLock(directory)).release();
    return true;
  } catch {
    return false;
  }
}

test("a command through a FUSE file system leaves a page server and its socket alone, and says who has the repository", async (t) => {
  const place = await prepare(t, WAYS[3]);
  if (place === undefined) return;
  const { real, view } = place;
  t.teardown(() => neon(real, "stop", "--now"));
  await neon(real, "init", "--listen", "127.0.0.1:0");
  const { pid } = await startServer(real);
  const socket = await stat(join(real, ".neon", "socket"));
  for (const words of [["branch", "list"], ["gc"], ["start"]]) {
    const { status, stderr } = await neon(view, ...words);
    t.is(status, 1);
    t.regex(stderr, new RegExp(`the repository is in use by process ${pid} on host `));
  }
  t.is((await stat(join(real, ".neon", "socket"))).ino, socket.ino);
  t.is((await neon(real, "branch", "list")).status, 0);
  await neon(real, "stop");
  t.is((await neon(view, "branch", "list")).status, 0);
});

test("a page server that was suspended while another host took its repository over ends, and says why", async (t) => {
  const temporary = await createTemporaryDirectory("neon-ways-");
  const directory = temporary.path;
  t.teardown(() => neon(directory, "stop", "--now").then(() => temporary.remove()));
  await neon(directory, "init", "--listen", "127.0.0.1:0");
  const { pid } = await startServer(directory);
  process.kill(pid, "SIGSTOP");
  const owner = join(directory, ".neon", "owner");
  const [name] = await readdir(owner);
  await rename(join(owner, name), join(owner, `${Number(name) + 1}`));
  process.kill(pid, "SIGCONT");
  const lock = join(directory, ".neon");
  t.true(await eventually(() => isFree(lock)));
  t.regex(await readFile(join(directory, ".neon", "log"), "utf8"), /has taken the repository over/);
});
