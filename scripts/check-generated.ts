import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { listFiles } from "./support/list-files.js";

const FIX = "run `npm run generate` and commit gen/";

/** Checks that `root`/gen is what buf makes of `root`/proto now. Writes nothing below `root`. */
export function checkGenerated(root: string): string[] {
  const output = mkdtempSync(join(tmpdir(), "neon-generated-"));
  try {
    // buf and its plugin come from node_modules, which need not be below `root`.
    const bin = join(createRequire(import.meta.url).resolve("@bufbuild/buf/package.json"), "../../../.bin");
    const { status, stderr, error } = spawnSync(join(bin, "buf"), ["generate", "--output", output], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    });
    if (status !== 0) return [`buf generate failed: ${error?.message ?? stderr.trim()}`];
    return compare(join(output, "gen"), join(root, "gen"));
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

function compare(wanted: string, actual: string): string[] {
  const missing = listFiles(wanted, ".ts").flatMap((file) => {
    if (!existsSync(join(actual, file))) return [`gen/${file} is missing: ${FIX}`];
    const same = readFileSync(join(actual, file)).equals(readFileSync(join(wanted, file)));
    return same ? [] : [`gen/${file} is out of date: ${FIX}`];
  });
  const extra = listFiles(actual, "").filter((file) => !existsSync(join(wanted, file)));
  return [...missing, ...extra.map((file) => `gen/${file} comes from no schema: ${FIX}`)];
}
