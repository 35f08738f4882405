#!/usr/bin/env node
// What `neon` runs first, of the bundle. Loading the rest takes longer than starting Node: what can be answered without it
// is, and compiled code is kept for the next command where Node can do so (22.8 and later).
import { writeSync } from "node:fs";
import module from "node:module";
import { VERSION } from "../version.js";

if (!printedVersion(process.argv.slice(2))) {
  (module as { enableCompileCache?(): unknown }).enableCompileCache?.();
  if (process.env.NEON_DEBUG === "1") process.setSourceMapsEnabled(true);
  void import("./main.js");
}

/** Whether the version was all that was asked for, and could be written. */
function printedVersion([first = "", ...others]: readonly string[]): boolean {
  if (others.length > 0 || !["--version", "-V", "-v", "version"].includes(first)) return false;
  try {
    writeSync(1, `${VERSION}\n`);
    return true;
  } catch {
    return false;
  }
}
