import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { listFiles } from "./support/list-files.js";

/** The folders of src/, highest first. Imports go downward; the files directly in src/ are below them all. */
const LAYERS = ["cli", "server", "postgres", "sync", "timeline", "pgwire"];

/** Modules that one layer alone may import: sockets belong to pgwire, the index to the timeline. */
const OWNED_MODULES: Record<string, string> = {
  net: "pgwire",
  tls: "pgwire",
  pg: "pgwire",
  "pg-protocol": "pgwire",
  lmdb: "timeline",
};

const IMPORT =
  /^\s*(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"|^\s*import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

/** Checks the import directions of every file in `root`/src. */
export function checkLayers(root: string): string[] {
  return listFiles(join(root, "src"), ".ts").flatMap((file) => {
    const text = readFileSync(join(root, "src", file), "utf8");
    return [...text.matchAll(IMPORT)].flatMap((match) => {
      const imported = match[1] ?? match[2] ?? match[3] ?? "";
      const violation = imported.startsWith(".")
        ? checkRelative(file, imported)
        : checkModule(file, imported);
      return violation === undefined ? [] : [`src/${file} imports "${imported}": ${violation}`];
    });
  });
}

function checkRelative(file: string, imported: string): string | undefined {
  const path = posix.join("src", posix.dirname(file), imported);
  const from = layerOf(file);
  if (path.startsWith("gen/")) {
    return from === "pgwire" ? "pgwire knows nothing of the schema (gen/)" : undefined;
  }
  if (!path.startsWith("src/")) return "src/ imports from src/ and gen/ only";
  const to = layerOf(path.slice("src/".length));
  const unknown = [from, to].find((layer) => layer !== undefined && !LAYERS.includes(layer));
  if (unknown !== undefined) return `src/${unknown}/ is no layer of scripts/check-layers.ts`;
  if (depth(to) >= depth(from)) return undefined;
  return `imports go downward only (${[...LAYERS, "src/*.ts"].join(" > ")})`;
}

function checkModule(file: string, imported: string): string | undefined {
  const parts = imported.replace(/^node:/, "").split("/");
  const owner = OWNED_MODULES[parts[0] ?? ""];
  return owner === undefined || owner === layerOf(file) ? undefined : `only src/${owner}/ may`;
}

/** The folder of src/ that a file is in; undefined for the files directly in src/. */
function layerOf(path: string): string | undefined {
  return path.includes("/") ? path.split("/")[0] : undefined;
}

function depth(layer: string | undefined): number {
  return layer === undefined ? LAYERS.length : LAYERS.indexOf(layer);
}
