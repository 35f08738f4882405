import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { NeonError } from "../errors.js";
import { interruption } from "./interrupt.js";
import { writeTo } from "./print.js";

/** Longest password that is taken, in bytes. */
const MAX_PASSWORD_BYTES = 4096;

/**
 * Reads the password that somebody chooses, as bytes: asked for twice without echo if stdin is a terminal, else the first
 * line of stdin. Throws 22023 for an empty one and for two that differ, and the reason of Ctrl-C.
 */
export async function readNewPassword(user: string): Promise<Buffer> {
  const password = process.stdin.isTTY ? await askTwice(user) : await readLine(process.stdin);
  if (password.length === 0) throw unusable("the password is empty");
  if (password.includes(0)) throw unusable("the password holds a zero byte");
  if (password.length > MAX_PASSWORD_BYTES)
    throw unusable(`the password is longer than ${MAX_PASSWORD_BYTES} bytes`);
  return password;
}

async function askTwice(user: string): Promise<Buffer> {
  const signal = interruption();
  // In a terminal readline echoes what is typed to its output, and here that goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  // A terminal in raw mode sends no signal for Ctrl-C.
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const close = () => lines.close();
  signal.addEventListener("abort", close, { once: true });
  const typed = lines[Symbol.asyncIterator]();
  const ask = async (prompt: string) => {
    await writeTo(process.stderr, prompt);
    const { value } = await typed.next();
    await writeTo(process.stderr, "\n");
    signal.throwIfAborted();
    return Buffer.from(value ?? "", "utf8");
  };
  try {
    const password = await ask(`Enter password for user ${user}: `);
    if (password.length > 0 && !password.equals(await ask("Enter it again: ")))
      throw unusable("the passwords did not match");
    return password;
  } finally {
    signal.removeEventListener("abort", close);
    lines.close();
  }
}

/** The bytes up to the end of the line; what follows is not read. */
async function readLine(input: NodeJS.ReadStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (chunk.includes("\n") || length > 2 * MAX_PASSWORD_BYTES) break;
  }
  const bytes = Buffer.concat(chunks);
  const end = bytes.indexOf("\n");
  const line = end === -1 ? bytes : bytes.subarray(0, end);
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

function unusable(problem: string): NeonError {
  return new NeonError("invalid_parameter_value", problem);
}
