import { readFileSync } from "node:fs";

/** Version of this program, from its package.json (two folders up: the compiled file lies in dist/src). */
export const VERSION: string = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
).version;
