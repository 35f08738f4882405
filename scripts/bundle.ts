import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Metafile } from "esbuild";

// `npm run build` ends with it: src/ and what it imports become a few files in dist/bundle/, which `neon` runs. Node takes
// a millisecond or two to find and load a file, and a command needed 200 of them.

const root = fileURLToPath(new URL("../../", import.meta.url)); // this file runs from dist/scripts/
const outdir = `${root}dist/bundle`;

const { dependencies } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

/**
 * What is loaded from node_modules is what the package depends on: native code, and a log whose worker threads look for
 * files of their own. What is bundled is a development dependency. pg asks for pg-native, and does without.
 */
const EXTERNAL = [...Object.keys(dependencies), "pg-native"];

const common: BuildOptions = {
  absWorkingDir: root,
  outdir,
  bundle: true,
  platform: "node",
  target: "node20.19",
  // CommonJS starts faster: Node need not load its loader for ES modules.
  format: "cjs",
  supported: { "dynamic-import": false },
  define: { "import.meta.url": "moduleUrl" },
  banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  external: EXTERNAL,
  minify: true,
  sourcemap: true,
  sourcesContent: false,
  legalComments: "none", // LICENSES.txt holds them whole
  metafile: true,
  logLevel: "warning",
};

rmSync(outdir, { recursive: true, force: true });
mkdirSync(outdir, { recursive: true });
// The package's files are ES modules, these are not.
writeFileSync(`${outdir}/package.json`, '{ "type": "commonjs" }\n');
const entry = await build({
  ...common,
  entryPoints: { neon: "src/cli/entry.ts" },
  external: [...EXTERNAL, "./main.js"],
});
const main = await build({
  ...common,
  entryPoints: { main: "src/cli/main.ts", "compressor-worker": "src/timeline/frame/compressor-worker.ts" },
});
writeFileSync(`${outdir}/LICENSES.txt`, licenses([entry.metafile, main.metafile]));
linkCommand();

/** The licences of the packages whose code is in the bundle, which have to go with it. */
function licenses(metafiles: readonly (Metafile | undefined)[]): string {
  const packages = new Set<string>();
  for (const input of metafiles.flatMap((metafile) => Object.keys(metafile?.inputs ?? {}))) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (found !== undefined) packages.add(found);
  }
  const texts = [...packages].sort().map((directory) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, directory, "package.json"), "utf8"),
    );
    const file = readdirSync(join(root, directory)).find((each) => /^licen[cs]e/i.test(each));
    const text = file === undefined ? "" : `\n${readFileSync(join(root, directory, file), "utf8").trim()}\n`;
    return `${name} ${version}: ${license}\n${text}`;
  });
  return `The bundle holds code of these packages.\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`;
}

/**
 * Makes `npx neon` run this clone. It is no `bin` of the package, which npm would not install beside another package's
 * `neon`; and without it npx would offer to fetch that other package.
 */
function linkCommand(): void {
  const bin = `${root}node_modules/.bin`;
  if (!existsSync(bin)) return;
  rmSync(`${bin}/neon`, { force: true });
  symlinkSync("../../dist/bundle/neon.js", `${bin}/neon`);
}
