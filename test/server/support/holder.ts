import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { ExecutionContext } from "ava";

const LOCK = new URL("../../../src/server/repository-lock.js", import.meta.url).href;

/** Takes a repository, says what came of it, and keeps it until its stdin ends. */
const PROGRAM = `
  const { acquireLock } = await import(${JSON.stringify(LOCK)});
  const say = (text) => process.stdout.write(text + "\\n");
  let lock;
  try {
    lock = await acquireLock(process.argv[1]);
    say("held");
  } catch (error) {
    say(error.code + ": " + error.message);
  }
  for await (const _ of process.stdin);
  await lock?.release();`;

/** A process that tries to take a repository. */
export interface Holder {
  readonly child: ChildProcess;
  /** "held", or the error's code and message. */
  readonly said: string;
  /** Lets it give the repository back and end. */
  end(): Promise<void>;
}

/**
 * Starts such a process; `way` is a command, of which the rest are arguments, that runs another one somewhere else: in
 * other namespaces. Resolves when it has said something.
 */
export async function startHolder(
  t: ExecutionContext,
  directory: string,
  way: readonly string[] = [],
): Promise<Holder> {
  const [program, ...words] = [...way, process.execPath, "--input-type=module", "-e", PROGRAM, directory];
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  let said = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    said += chunk;
    if (said.includes("\n")) break;
  }
  return {
    child,
    said: said.trim(),
    end: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
