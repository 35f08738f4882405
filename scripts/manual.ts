import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { formatManual } from "../src/cli/manual.js";

// `npm run build` ends with it: the manual page, under both names of the program. npm links it, and leaves out a name that
// another package has taken.

const directory = fileURLToPath(new URL("../man/", import.meta.url)); // this file runs from dist/scripts/
mkdirSync(directory, { recursive: true });
writeFileSync(`${directory}neon-push-pull.1`, formatManual());
writeFileSync(`${directory}neon.1`, ".so man1/neon-push-pull.1\n");
