import type { Argv } from "yargs";
import { UsageError } from "./usage-error.js";

/** What `neon push` and `neon pull` take besides the branches. */
export interface TransferArguments {
  force: boolean;
  forceWithLease: string | undefined;
  dryRun: boolean;
  bwlimit: string | undefined;
}

/** Help for every command that has the page server connect to another server. */
export const WHO_CONNECTS =
  "The page server connects. A password comes from the URI, or from PGPASSWORD or ~/.pgpass of its own user.";

/** Adds these options to a command; `side` names the branch that moves. */
export function transferOptions<T>(yargs: Argv<T>, side: string): Argv<T & TransferArguments> {
  return yargs
    .epilogue(WHO_CONNECTS)
    .option("force", {
      alias: "f",
      type: "boolean",
      default: false,
      describe: `Move ${side} whatever it points to; that stays reachable under a recovery name`,
    })
    .option("force-with-lease", {
      type: "string",
      requiresArg: true,
      describe: `Force only if ${side} still stands at this LSN or digest, of which 8 digits are enough`,
    })
    .option("dry-run", {
      alias: "n",
      type: "boolean",
      default: false,
      describe: "Decide and count, but move nothing",
    })
    .option("bwlimit", {
      type: "string",
      requiresArg: true,
      describe: "At most this many bytes a second: 500k, 10M",
    }) as unknown as Argv<T & TransferArguments>;
}

/** The request's fields for these options. */
export function transferFields(args: TransferArguments) {
  return {
    force: args.force || undefined,
    expected: args.forceWithLease,
    dryRun: args.dryRun || undefined,
    bwlimit: args.bwlimit === undefined ? undefined : parseRate(args.bwlimit),
  };
}

/** `500k`, `10M`, `1g`, `4096`: bytes, in powers of 1024 as pg_basebackup's --max-rate takes them. */
function parseRate(text: string): bigint {
  const match = /^(\d{1,12})([kmg]?)$/i.exec(text);
  const bytes =
    match === null ? 0 : Number(match[1]) * 1024 ** " kmg".indexOf((match[2] || " ").toLowerCase());
  if (bytes < 1) throw new UsageError("--bwlimit takes a number of bytes a second: 4096, 500k, 10M");
  return BigInt(bytes);
}
