import { NeonError } from "../errors.js";
import { findRepository, readConfig } from "../server/config.js";
import { withoutPassword } from "../server/connection-uri.js";
import { withoutBranch } from "../server/uri-branch.js";
import { UsageError } from "./usage-error.js";

/** The other side of a push or pull. */
export interface RemoteBranch {
  /** An origin, or a connection URI, whose path can name the branch. */
  readonly uri: string;
  /** The branch there, if it stands behind a colon. */
  readonly branch: string | undefined;
}

/**
 * Cuts `origin:branch`. A URI is never cut. Throws 22023, without quoting the text, for what looks like a URI that lacks
 * its scheme: what stands behind the colon then is a password, which must go nowhere as the name of a branch.
 */
export async function parseRemoteBranch(text: string): Promise<RemoteBranch> {
  const colon = text.includes("://") ? -1 : text.indexOf(":");
  if (colon === -1) return { uri: text, branch: undefined };
  const [uri, branch] = [text.slice(0, colon), text.slice(colon + 1)];
  if (branch.includes("@") && !(await isOrigin(uri))) {
    throw new NeonError(
      "invalid_parameter_value",
      "the other side is neither an origin with a branch nor a connection URI",
      {
        hint: "If it is a user with a password at a host, write it as postgresql://… with all the rest behind it.",
      },
    );
  }
  if (uri === "" || branch === "")
    throw new UsageError("the other side is written as origin or origin:branch");
  return { uri, branch };
}

/** `other at cloud`, `other at postgresql://host:port/`: never with a password. */
export function describeRemoteBranch(branch: string, uri: string): string {
  return `${branch} at ${uri.includes("://") ? withoutPassword(withoutBranch(uri)) : uri}`;
}

async function isOrigin(name: string): Promise<boolean> {
  const { origins } = await readConfig(findRepository("."));
  return origins.has(name);
}
