import { NeonError } from "../errors.js";
import { assertConnectionUri } from "./connection-uri.js";

// A well-formed URI holds no other slash before its path.
const WITH_PATH = /^(postgres(?:ql)?:\/\/[^/?]*)\/([^?]*)(.*)$/;

/**
 * The branch at the other end: `named`, or the path of a connection URI, `postgresql://host:port/branch`. Undefined if
 * neither names one. Throws 22023 for two names, and for a text that begins as a URI and is not well formed.
 */
export function remoteBranch(destination: string, named: string | undefined): string | undefined {
  const path = pathOf(destination);
  if (path === undefined || named === undefined || path === named) return named ?? path;
  throw new NeonError("invalid_parameter_value", "the branch at the other end has two names", {
    hint: "Name it in the path of the URI or beside it, not in both places.",
  });
}

/** Throws 22023 for a connection URI whose path names a branch, where none can be meant; `hint` says where to name it. */
export function assertNoBranch(uri: string, hint: string): void {
  if (pathOf(uri) === undefined) return;
  throw new NeonError(
    "invalid_parameter_value",
    "the path of the URI names a branch, which has no place here",
    {
      hint,
    },
  );
}

/** A connection URI without its path. Other texts come back as they are. */
export function withoutBranch(uri: string): string {
  return uri.replace(WITH_PATH, "$1/$3");
}

function pathOf(destination: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(destination)) return undefined;
  assertConnectionUri(destination);
  const path = WITH_PATH.exec(destination)?.[2];
  return path ? decodeURIComponent(path) : undefined;
}
