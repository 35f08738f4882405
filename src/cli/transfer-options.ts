import type { Given } from "./command.js";
import { parseSize } from "./parse-size.js";
import { UsageError } from "./usage-error.js";

/** Help for every command that has the page server connect to another server. */
export const WHO_CONNECTS =
  "The page server connects. A password comes from the URI, or from PGPASSWORD or ~/.pgpass of its own user.";

/** What `neon push` and `neon pull` take besides the branches; `side` names the branch that moves. */
export function transferOptions(side: string) {
  return {
    force: {
      short: ["f"],
      describe: `Move ${side} whatever it points to; that stays reachable under a recovery name`,
    },
    "force-with-lease": {
      value: "HEAD",
      describe: `Force only if ${side} still stands at this LSN or digest, of which 8 digits are enough`,
    },
    "dry-run": { short: ["n"], describe: "Decide and count, but move nothing" },
    bwlimit: { value: "SIZE", describe: "At most this many bytes a second: 500k, 10M" },
  } as const;
}

/** The request's fields for these options. */
export function transferFields(args: Given<Record<never, never>, ReturnType<typeof transferOptions>>) {
  return {
    force: args.force || undefined,
    expected: args["force-with-lease"],
    dryRun: args["dry-run"] || undefined,
    bwlimit: args.bwlimit === undefined ? undefined : parseRate(args.bwlimit),
  };
}

function parseRate(text: string): bigint {
  const bytes = parseSize(text.replace(/\/s$/, ""));
  if (bytes === undefined || bytes < 1n) {
    throw new UsageError("--bwlimit takes a number of bytes a second: 4096, 500k, 10M");
  }
  return bytes;
}
