import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "ava";
import { checkLayers } from "../../scripts/check-layers.js";

function check(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), "neon-layers-"));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(join(root, dirname(file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    return checkLayers(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("imports downward, inside a layer and of leaves are allowed", (t) => {
  t.deepEqual(
    check({
      "src/lsn.ts": 'import { NeonError } from "./errors.js";\n',
      "src/cli/push.ts": 'import { call } from "../server/call.js";\nimport { parseLsn } from "../lsn.js";\n',
      "src/timeline/a.ts": 'import { open } from "lmdb";\nimport { b } from "./b.js";\n',
      "src/pgwire/connect.ts": 'import { connect } from "node:net";\nimport pg from "pg";\n',
      "src/sync/send.ts": 'import { OfferSchema } from "../../gen/neon/pageserver/v1/session_pb.js";\n',
    }),
    [],
  );
});

test("an import upward is named with the file and the order", (t) => {
  t.deepEqual(check({ "src/sync/send.ts": 'import {\n  call,\n} from "../server/call.js";\n' }), [
    'src/sync/send.ts imports "../server/call.js": imports go downward only (cli > server > postgres > sync > timeline > pgwire > src/*.ts)',
  ]);
});

const forbidden: Record<string, [file: string, text: string, reason: RegExp]> = {
  "a leaf that imports a layer": ["src/lsn.ts", 'export { x } from "./pgwire/x.js";', /downward only/],
  "a dynamic import upward": [
    "src/timeline/a.ts",
    'const x = await import("../sync/x.js");',
    /downward only/,
  ],
  "an import for its side effect upward": ["src/timeline/a.ts", 'import "../sync/x.js";', /downward only/],
  "a type imported upward": ["src/timeline/a.ts", 'import type { X } from "../sync/x.js";', /downward only/],
  "a socket outside pgwire": [
    "src/server/a.ts",
    'import { createServer } from "node:net";',
    /only src\/pgwire\//,
  ],
  "a socket under its old name": ["src/server/a.ts", 'import tls from "tls";', /only src\/pgwire\//],
  "pg outside pgwire": ["src/postgres/a.ts", 'import pg from "pg";', /only src\/pgwire\//],
  "lmdb outside timeline": ["src/sync/a.ts", 'import { open } from "lmdb";', /only src\/timeline\//],
  "the schema in pgwire": [
    "src/pgwire/a.ts",
    'import { X } from "../../gen/neon/pageserver/v1/frame_pb.js";',
    /schema/,
  ],
  "a script in src": ["src/cli/a.ts", 'import { x } from "../../scripts/x.js";', /src\/ and gen\/ only/],
  "a folder that is no layer": ["src/util/a.ts", 'import { x } from "../lsn.js";', /no layer/],
};

for (const [name, [file, text, reason]] of Object.entries(forbidden)) {
  test(`${name} is a violation`, (t) => {
    const violations = check({ [file]: `${text}\n` });
    t.is(violations.length, 1);
    t.regex(violations[0] ?? "", reason);
  });
}
