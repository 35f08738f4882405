import { NeonError } from "../errors.js";
import { nearestName } from "../nearest-name.js";
import { assertBranchName } from "../timeline/branch-name.js";
import { readConfig } from "./config.js";
import { assertConnectionUri } from "./connection-uri.js";
import { assertNoBranch, withoutBranch } from "./uri-branch.js";

/** Throws 42602 unless `name` can name an origin. The name is not quoted: it may be a misplaced URI. */
export function assertOriginName(name: string): void {
  if (isOriginName(name)) return;
  throw new NeonError("invalid_name", "that cannot be the name of an origin", {
    hint: "An origin's name follows the rules of branch names, without a slash, @ or =: cloud.",
  });
}

/**
 * Finds the connection URI of a destination: an origin's name, or a URI, without the branch that its path names. It can hold a
 * password. Throws 42704 for an unknown origin and 22023 for what is neither.
 */
export async function resolveDestination(directory: string, destination: string): Promise<string> {
  if (/^postgres(ql)?:\/\//.test(destination)) {
    assertConnectionUri(destination);
    return withoutBranch(destination);
  }
  if (!isOriginName(destination)) {
    throw new NeonError(
      "invalid_parameter_value",
      "the destination is neither an origin nor a connection URI",
      {
        hint: destination.includes("@")
          ? "If it is a user at a host, write it as postgresql://… with all the rest behind it."
          : "Write the name of an origin (neon origin list) or postgresql://host:port/.",
      },
    );
  }
  const { origins } = await readConfig(directory);
  const uri = origins.get(destination);
  if (uri === undefined) throw unknownOrigin(destination, origins.keys());
  assertNoBranch(uri, `In config.toml the URI of origin ${destination} has to end with the port.`);
  return uri;
}

/** The error for an origin that is none of `names`. The hint is for who wants to use it, unless given. */
export function unknownOrigin(
  name: string,
  names: Iterable<string>,
  hint = `Name it first: neon origin add ${name} postgresql://host:port/`,
): NeonError {
  const near = nearestName(name, names);
  if (near !== undefined) hint = `Did you mean "${near}"? neon origin list shows the origins.`;
  return new NeonError("undefined_object", `origin "${name}" does not exist`, { hint });
}

function isOriginName(name: string): boolean {
  // An @ would make a URI without its scheme of it, an = the start of a connection string.
  if (/[/@=]/.test(name)) return false;
  try {
    assertBranchName(name);
    return true;
  } catch (error) {
    if (error instanceof NeonError) return false;
    throw error;
  }
}
