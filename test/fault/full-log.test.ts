import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, statfs, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { findTool } from "../../scripts/support/find-tool.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import { neon } from "../cli/support/neon.js";
import { startServer } from "./support/repository.js";

const BYTES = 8 * 1024 * 1024;

/** A directory on a file system of its own, of 8 MiB. Undefined where none can be mounted. */
async function smallDisk(t: ExecutionContext): Promise<string | undefined> {
  const mount = findTool("mount");
  if (mount === undefined || process.getuid?.() !== 0) {
    t.log("nothing can be mounted: not checked");
    t.pass();
    return undefined;
  }
  const temporary = await createTemporaryDirectory("neon-small-");
  const { path } = temporary;
  const { status, stderr } = spawnSync(mount, ["-t", "tmpfs", "-o", `size=${BYTES}`, "none", path]);
  if (status !== 0) throw new Error(String(stderr));
  t.teardown(async () => {
    await neon(path, "stop", "--now");
    spawnSync("umount", ["-l", path]);
    await temporary.remove();
  });
  return path;
}

/** Takes all room that is left, but what `but` bytes need. Returns the file that has it. */
async function fill(directory: string, but = 0): Promise<string> {
  const path = join(directory, "full");
  const { bavail, bsize } = await statfs(directory);
  await writeFile(path, Buffer.alloc(bavail * bsize - but, 1));
  return path;
}

async function sendGarbage(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1").resume();
  socket.on("error", () => {});
  socket.end("GET / HTTP/1.1\r\n\r\n");
  await once(socket, "close");
}

test("a page server whose log has no room answers, ends strangers' sessions, stops, and counts the lines that it lost", async (t) => {
  const directory = await smallDisk(t);
  if (directory === undefined) return;
  await neon(directory, "init", "--listen", "127.0.0.1:0");
  const { pid, port } = await startServer(directory);
  // The rest of the page that the log ends in takes some lines yet, and a piece of one.
  const path = await fill(directory);
  for (let i = 0; i < 60; i++) await sendGarbage(port);
  for (const words of [["branch", "list"], ["status"], ["verify"]]) {
    const { status, stderr } = await neon(directory, ...words);
    t.is(status, 0, stderr);
  }
  t.is((await neon(directory, "branch", "show", "none")).status, 1);
  process.kill(pid, 0);
  await rm(path);
  t.is((await neon(directory, "branch", "list")).status, 0);
  t.is((await neon(directory, "stop")).status, 0);
  const lines = (await readFile(join(directory, ".neon", "log"), "utf8")).split("\n");
  const said = lines.flatMap((line) => {
    try {
      return [JSON.parse(line).msg as string];
    } catch {
      return [];
    }
  });
  const lost = said
    .map((text) => /^(\d+) lines were lost$/.exec(text)?.[1])
    .filter((count) => count !== undefined);
  t.is(lost.length, 1);
  t.true(Number(lost[0]) > 10, lost[0]);
  t.true(lines.length - said.length <= 2, "one line is torn, and the last one is empty");
  t.is(said.at(-1), "page server stopped");
});

test("a page server that finds no room when it starts says so, and starts once there is some", async (t) => {
  const directory = await smallDisk(t);
  if (directory === undefined) return;
  await neon(directory, "init", "--listen", "127.0.0.1:0");
  for (const room of [0, 8192]) {
    const path = await fill(directory, room);
    for (const words of [["start"], ["branch", "list"]]) {
      const { status, stderr } = await neon(directory, ...words, "--json");
      t.is(status, 1, stderr);
      t.is(JSON.parse(stderr.trim().split("\n").at(-1) as string).error.sqlstate, "53100", stderr);
    }
    await rm(path);
    t.is((await neon(directory, "start")).status, 0);
    t.is((await neon(directory, "stop")).status, 0);
  }
});
