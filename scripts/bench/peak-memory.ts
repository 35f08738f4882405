import { readFileSync } from "node:fs";

const INTERVAL_MS = 20;

/**
 * Watches the anonymous memory of a process (RssAnon in /proc/PID/status): LMDB's map counts as resident too, but is
 * page cache. Returns a function that ends the watch and gives the peak in bytes, or undefined without /proc.
 */
export function watchPeakMemory(pid: number): () => number | undefined {
  let peak: number | undefined;
  const sample = () => {
    const bytes = anonymousBytes(pid);
    if (bytes !== undefined) peak = Math.max(peak ?? 0, bytes);
  };
  sample();
  const timer = setInterval(sample, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    sample();
    return peak;
  };
}

function anonymousBytes(pid: number): number | undefined {
  try {
    const match = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return match === null ? undefined : Number(match[1]) * 1024;
  } catch {
    return undefined;
  }
}
