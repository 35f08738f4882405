import { NeonError } from "../errors.js";

/** Does what `-C DIR` says, as git does: everything relative on the command line is relative to DIR. */
export function changeDirectory(directory: string | undefined): void {
  if (directory === undefined) return;
  try {
    process.chdir(directory);
  } catch (error) {
    const { code, message } = NeonError.from(error);
    throw new NeonError(code, `cannot change to "${directory}": ${message.replace(/ \(.*\)$/, "")}`, {
      hint: "-C takes a directory that exists; mkdir makes one.",
      cause: error,
    });
  }
}
