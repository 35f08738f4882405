import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The files below `directory` whose names end with `suffix`, as paths relative to it with `/`, sorted. */
export function listFiles(directory: string, suffix: string): string[] {
  const found: string[] = [];
  const visit = (below: string) => {
    for (const entry of readdirSync(join(directory, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (entry.name.endsWith(suffix)) found.push(path);
    }
  };
  visit("");
  return found.sort();
}
