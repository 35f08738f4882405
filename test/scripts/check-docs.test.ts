import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { checkDocs } from "../../scripts/check-docs.js";

function check(readme: string): string[] {
  const root = mkdtempSync(join(tmpdir(), "neon-docs-"));
  try {
    for (const folder of ["docs", "src/cli"]) mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, "package.json"), '{ "scripts": { "demo": "true" } }');
    writeFileSync(join(root, "README.md"), readme);
    return checkDocs(root, PageServerService);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("names that exist are allowed, and prose is not judged", (t) => {
  const text = [
    "The neon sign: `npm run demo`, `npm install`, `neon push main cloud`, [docs](docs/), `src/cli/`, `a/b`.",
    "",
    "    neon branch list            # a table",
    "    psql -p 6400 -c branch_list",
    "",
    "```sh",
    "neon -C there push main cloud --dry-run    # says --what would move",
    "neon branch --json",
    "```",
    "[a site](https://example.org/x)",
  ];
  t.deepEqual(check(text.join("\n")), []);
});

const forbidden: Record<string, [text: string, violation: string]> = {
  "an npm script": ["`npm run dmeo`", "no script `npm run dmeo` in package.json"],
  "a neon command in a code span": ["`neon pushh main`", "no command `neon pushh` in src/cli/commands.ts"],
  "a neon command in an indented block": [
    "x\n\n    neon fetch main",
    "no command `neon fetch` in src/cli/commands.ts",
  ],
  "a neon command in a fenced block": [
    "```sh\nnpx neon fetch main\n```",
    "no command `neon fetch` in src/cli/commands.ts",
  ],
  "an option": ["`neon push main --forse`", "no option `--forse` of `neon push`"],
  "a page server's command": ["`psql -c 'branch_lst'`", "no command `branch_lst` in the schema"],
  "a file": ["`src/cli/fetch.ts`", "no file `src/cli/fetch.ts`"],
  "a link": ["[x](docs/none.md#part)", "link to `docs/none.md`, which does not exist"],
};

for (const [name, [text, violation]] of Object.entries(forbidden)) {
  test(`${name} that does not exist is a violation`, (t) => {
    t.deepEqual(check(text), [`README.md: ${violation}`]);
  });
}
