import { appendFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { checkGenerated } from "../../scripts/check-generated.js";

function check(change: (root: string) => void): string[] {
  const root = mkdtempSync(join(tmpdir(), "neon-generated-"));
  try {
    for (const name of ["proto", "gen", "buf.yaml", "buf.gen.yaml"])
      cpSync(name, join(root, name), { recursive: true, dereference: true });
    change(root);
    return checkGenerated(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("gen/ is up to date", (t) => {
  t.deepEqual(
    check(() => {}),
    [],
  );
});

test("a schema that was changed without generating is a violation that names the fix", (t) => {
  const violations = check((root) =>
    appendFileSync(join(root, "proto/neon/pageserver/v1/frame.proto"), "// A.\nmessage A {}\n"),
  );
  t.deepEqual(violations, [
    "gen/neon/pageserver/v1/frame_pb.ts is out of date: run `npm run generate` and commit gen/",
  ]);
});

test("generated code that was edited is a violation", (t) => {
  const violations = check((root) =>
    appendFileSync(join(root, "gen/neon/pageserver/v1/session_pb.ts"), "\n"),
  );
  t.regex(violations.join("\n"), /session_pb\.ts is out of date/);
});

test("generated code without a schema, and a schema without generated code, are violations", (t) => {
  const violations = check((root) => {
    writeFileSync(join(root, "gen/old_pb.ts"), "");
    rmSync(join(root, "gen/neon/pageserver/v1/frame_pb.ts"));
  });
  t.deepEqual(violations, [
    "gen/neon/pageserver/v1/frame_pb.ts is missing: run `npm run generate` and commit gen/",
    "gen/old_pb.ts comes from no schema: run `npm run generate` and commit gen/",
  ]);
});

test("a schema that does not compile is a violation", (t) => {
  const violations = check((root) =>
    appendFileSync(join(root, "proto/neon/pageserver/v1/frame.proto"), "message {"),
  );
  t.regex(violations.join("\n"), /buf generate failed: .*frame\.proto/);
});
