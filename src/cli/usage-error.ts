import { NeonError } from "../errors.js";

/** The command line says nothing that can be done: exit status 2. */
export class UsageError extends NeonError {
  constructor(
    message: string,
    hint = "`neon --help` lists the commands, `neon <command> --help` explains one.",
  ) {
    super("syntax_error", message, { hint });
  }
}
