import type { Progress } from "../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../errors.js";
import type { Connection, Notice } from "../pgwire/connection.js";
import type { CallOptions } from "../server/call.js";
import { type Attachment, attach } from "./attach.js";
import type { GlobalArguments } from "./global-arguments.js";
import { interruption } from "./interrupt.js";
import { writeTo } from "./print.js";
import { createProgressDisplay } from "./progress.js";
import { sayIfSlow } from "./say-if-slow.js";

/** How long a canceled command may take to say so, in milliseconds. */
const CANCEL_MS = 3000;
/** A page server that ends sends idle clients away (57P01), and a command this young may have been one. Milliseconds. */
const YOUNG_MS = 1000;

/** Calls a command on a connection, and gives what prints its answer. */
export type Work = (connection: Connection, options: CallOptions) => Promise<() => Promise<void>>;

/**
 * Does some work at the page server of the repository around the working directory, with progress on stderr. Ctrl-C
 * cancels it there; what is thrown then is the signal's reason.
 */
export async function withPageServer(args: GlobalArguments, work: Work): Promise<void> {
  const { findRepository } = await import("../server/config.js");
  const neonDirectory = await findRepository(".");
  const signal = interruption();
  for (;;) {
    const attachment = await attach(neonDirectory, signal);
    const began = Date.now();
    try {
      return await workCancellably(attachment, signal, args, work);
    } catch (error) {
      signal.throwIfAborted();
      const sentAway = NeonError.from(error).code === "admin_shutdown" && Date.now() - began < YOUNG_MS;
      if (!sentAway || attachment.embedded) throw explain(error);
    } finally {
      await sayIfSlow(
        args,
        "waiting for other commands that use this process; Ctrl-C cancels them",
        attachment.release(),
      );
    }
  }
}

/** Of a connection that is lost pgwire says so; what the page server says of another one comes without a party. */
function explain(thrown: unknown): NeonError {
  const error = NeonError.from(thrown);
  if (error.code !== "connection_failure" || error.party !== "connection") return error;
  return new NeonError(error.code, "the page server of this repository went away", {
    party: "connection",
    retryable: true,
    cause: error,
    hint: "Its log, .neon/log, may say why. Run the command again: a transfer goes on where it was.",
  });
}

async function workCancellably(
  { connection }: Attachment,
  signal: AbortSignal,
  args: GlobalArguments,
  work: Work,
): Promise<void> {
  const display = args.json ? undefined : createProgressDisplay(process.stderr);
  const news = display && {
    onProgress: (progress: Progress) => display.update(progress),
    onNotice: ({ message }: Notice) => {
      display.end();
      void writeTo(process.stderr, `neon: ${message}\n`);
    },
  };
  // The signal sends a CancelRequest. A page server that is ending takes none, but it sees a client go.
  const giveUp = () => void setTimeout(() => connection.destroy(), CANCEL_MS).unref();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const printAnswer = await work(connection, { signal, ...news }).finally(() => display?.end());
    await printAnswer();
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
