import { homedir, userInfo } from "node:os";

/**
 * The name of the operating system's user, which libpq takes where nobody names one. In a container a user may have no
 * entry in passwd: then what the environment says, and at last its number, which names nobody.
 */
export function osUserName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env.USER || process.env.LOGNAME || String(process.getuid?.() ?? "unknown");
  }
}

/** The home directory; undefined for a user that has none. */
export function homeDirectory(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
