import { findRepository, readConfig } from "../server/config.js";

/** The names of the origins of the repository around the working directory, for hints and completion: none where it has none. */
export async function listOrigins(): Promise<string[]> {
  try {
    const { origins } = await readConfig(findRepository("."));
    return [...origins.keys()];
  } catch {
    return [];
  }
}
