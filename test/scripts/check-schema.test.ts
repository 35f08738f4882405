import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { checkSchema } from "../../scripts/check-schema.js";

const buf = join(createRequire(import.meta.url).resolve("@bufbuild/buf/package.json"), "../../../.bin/buf");

/** Compiles a service with one rpc, `rpc`, and the messages Request and Response; returns what the check says. */
function check(parts: { rpc?: string; request?: string; response?: string; more?: string }): string[] {
  const root = mkdtempSync(join(tmpdir(), "neon-schema-"));
  try {
    mkdirSync(join(root, "neon/pageserver/v1"), { recursive: true });
    cpSync("proto/neon/pageserver/v1/options.proto", join(root, "neon/pageserver/v1/options.proto"));
    writeFileSync(
      join(root, "service.proto"),
      `syntax = "proto3";
      import "neon/pageserver/v1/options.proto";
      service Service { ${parts.rpc ?? "rpc Do(Request) returns (Response);"} }
      message Request { ${parts.request ?? ""} }
      message Response { ${parts.response ?? ""} }
      ${parts.more ?? ""}`,
    );
    const { status, stderr } = spawnSync(buf, ["build", "--output", "out.binpb"], {
      cwd: root,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stderr);
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(join(root, "out.binpb")));
    const service = createFileRegistry(set).getService("Service");
    if (service === undefined) throw new Error("buf build made no service");
    return checkSchema(service);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("the page server's schema keeps the rules", (t) => {
  t.deepEqual(checkSchema(PageServerService), []);
});

test("positional fields, then optional and repeated ones, are allowed", (t) => {
  const request = "string a = 1; uint64 b = 2; optional bool c = 3; reserved 4; repeated string d = 5;";
  t.deepEqual(check({ request }), []);
});

const forbidden: Record<string, [parts: Parameters<typeof check>[0], reason: RegExp]> = {
  "a first field with another number than 1": [{ request: "string a = 2;" }, /a = 2 leaves a gap: 1 is free/],
  "a gap between positional fields": [{ request: "string a = 1; string b = 3;" }, /b = 3 leaves a gap/],
  "a reserved number between positional fields": [
    { request: "string a = 1; reserved 2; string b = 3;" },
    /leaves a gap/,
  ],
  "a gap before an optional field": [
    { request: "string a = 1; optional string b = 3;" },
    /neither used nor reserved/,
  ],
  "a positional field after an optional one": [
    { request: "optional string a = 1; string b = 2;" },
    /b comes after a, which is given by name/,
  ],
  "a positional field after a repeated one": [
    { request: "repeated string a = 1; string b = 2;" },
    /b comes after a/,
  ],
  "a message as an argument": [{ request: "Sub a = 1;", more: "message Sub {}" }, /a has no text form/],
  "a map as an argument": [{ request: "map<string, string> a = 1;" }, /a has no text form/],
  "a oneof in a request": [{ request: "oneof x { string a = 1; }" }, /a stands in a oneof/],
  "a field name in capitals": [{ request: "string A = 1;" }, /A cannot be given by name/],
  "a URI that is not redacted": [{ request: "string uri = 1;" }, /uri may hold a secret/],
  "an LSN that is no uint64": [
    { request: "string a = 1 [(neon.pageserver.v1.text_form) = TEXT_FORM_LSN];" },
    /a is no uint64/,
  ],
  "a command called as SQL is": [
    { rpc: "rpc Begin(Request) returns (Response);" },
    /the name begin is reserved/,
  ],
  "a command of the replication protocol": [
    { rpc: "rpc BaseBackup(Request) returns (Response);" },
    /the name base_backup is reserved/,
  ],
  "client streaming": [{ rpc: "rpc Do(stream Request) returns (Response);" }, /no client streaming/],
  "a copy_both method that does not stream": [
    { rpc: "rpc Do(Request) returns (Response) { option (neon.pageserver.v1.copy_both) = true; }" },
    /a copy_both method returns a stream/,
  ],
  "a flattened column with the name of another": [
    { response: "string head_lsn = 1; Head head = 2;", more: "message Head { uint64 lsn = 1; }" },
    /two columns of Response are called head_lsn/,
  ],
};

for (const [name, [parts, reason]] of Object.entries(forbidden)) {
  test(`${name} is a violation`, (t) => {
    const violations = check(parts);
    t.is(violations.length, 1, violations.join("\n"));
    t.regex(violations[0] ?? "", reason);
  });
}
