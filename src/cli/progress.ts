import type { Progress } from "../../gen/neon/pageserver/v1/service_pb.js";
import { formatBytes, formatRate, formatTimeLeft } from "./format.js";

/** Seconds between two lines where the output is no terminal. */
const LINE_INTERVAL = 5;
/** Seconds over which the rate is taken: long enough to be calm, short enough to show a stall. */
const RATE_WINDOW = 10;

/** Shows how far a command has come. */
export interface ProgressDisplay {
  /** Takes the news. */
  update(progress: Progress): void;
  /** Clears the live line, so that the outcome can be printed. */
  end(): void;
}

/**
 * Makes a display on `stream`: one line that is written over on a terminal; otherwise a line every few seconds, so that
 * a log of a long run stays short and one of a short run stays empty.
 *
 * @param now seconds of a clock that never goes back
 */
export function createProgressDisplay(
  stream: Pick<NodeJS.WriteStream, "write"> & { readonly isTTY?: boolean; readonly columns?: number },
  now: () => number = () => performance.now() / 1000,
): ProgressDisplay {
  let samples: { time: number; bytes: number }[] = [];
  let phase: string | undefined;
  let lastLine = now();
  let live = false;

  return {
    update(progress) {
      const time = now();
      if (progress.phase !== phase) {
        phase = progress.phase;
        samples = [];
      }
      samples.push({ time, bytes: Number(progress.bytes) });
      while (samples.length > 2 && (samples[1]?.time ?? time) <= time - RATE_WINDOW) samples.shift();
      const text = describe(progress, rate(samples));
      if (stream.isTTY === true) {
        live = true;
        // Some pseudo-terminals say that they have no columns.
        stream.write(`\r\x1b[K${text.slice(0, (stream.columns || 80) - 1)}`);
      } else if (time - lastLine >= LINE_INTERVAL) {
        lastLine = time;
        stream.write(`${text}\n`);
      }
    },
    end() {
      if (live) stream.write("\r\x1b[K");
      live = false;
    },
  };
}

/** Bytes a second, or undefined as long as it cannot be told. */
function rate(samples: readonly { time: number; bytes: number }[]): number | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.time - first.time < 0.5) return undefined;
  return (last.bytes - first.bytes) / (last.time - first.time);
}

function describe(progress: Progress, bytesPerSecond: number | undefined): string {
  const { phase, totalBytes } = progress;
  const done = Number(progress.bytes);
  const total = Number(totalBytes ?? 0n);
  // Postgres estimates the size of a base backup; more can come.
  const known = total > 0 && done <= total;
  const parts = [known ? `${formatBytes(done)} of ${formatBytes(total)}` : formatBytes(done)];
  if (known) parts.push(`${Math.floor((done / total) * 100)}%`);
  if (bytesPerSecond !== undefined) parts.push(formatRate(bytesPerSecond, 1));
  if (known && bytesPerSecond !== undefined && bytesPerSecond > 0) {
    parts.push(`${formatTimeLeft((total - done) / bytesPerSecond)} left`);
  }
  return `${phase}: ${parts.join(", ")}`;
}
