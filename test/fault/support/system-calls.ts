/** A system call that strace saw. */
export interface SystemCall {
  readonly name: string;
  /** What stands between the parentheses. */
  readonly words: string;
  /** Its result, or -1. */
  readonly result: number;
  /** Its place among all beginnings and ends of calls. */
  readonly begin: number;
  readonly end: number;
}

/** Reads what `strace -f -o` wrote: a call that another thread's interrupts stands in two lines. */
export function parseSystemCalls(lines: readonly string[]): SystemCall[] {
  const calls: SystemCall[] = [];
  const unfinished = new Map<string, { name: string; words: string; begin: number }>();
  for (const [at, line] of lines.entries()) {
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/.exec(line);
    const begun = /^(\d+) +(\w+)\((.*)$/.exec(line);
    if (resumed !== null) {
      const [, thread, , rest] = resumed;
      const first = unfinished.get(thread);
      unfinished.delete(thread);
      if (first !== undefined) calls.push({ ...first, ...result(rest), end: at });
    } else if (begun !== null) {
      const [, thread, name, rest] = begun;
      const [words] = rest.split(" <unfinished ...>");
      if (words !== rest) unfinished.set(thread, { name, words, begin: at });
      else calls.push({ name, words, ...result(rest), begin: at, end: at });
    }
  }
  return calls;
}

function result(rest: string): { result: number } {
  return { result: Number(/\) += (-?\d+)/.exec(rest)?.[1] ?? -1) };
}

/** The bytes of a call's first strings, as far as strace printed them; it has to print all of them in hex. */
export function bytesOf({ words }: SystemCall): Buffer {
  const strings = Array.from(words.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g), ([, text]) => text);
  return Buffer.from(strings.join("").replaceAll("\\x", ""), "hex");
}
