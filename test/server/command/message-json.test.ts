import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import test from "ava";
import {
  BranchShowResponseSchema,
  PerformExportResponseSchema,
  PerformPushResponseSchema,
  ServerStatusResponseSchema,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../../gen/neon/pageserver/v1/session_pb.js";
import { messageJson } from "../../../src/server/command/message-json.js";

test("a message has the schema's field names and the commands' text forms", (t) => {
  const shown = create(BranchShowResponseSchema, {
    name: "main",
    head: { lsn: 0x16_b374d848n, digest: new Uint8Array(32).fill(0xab), seq: 12n },
    timelineId: new Uint8Array(16).fill(1),
    frames: 13n,
    bytes: 123456789n,
    systemIdentifier: 7412345678901234567n,
    serverVersionNum: 150018,
    backupStartLsn: 0x2000028n,
    walSegmentSize: 16777216,
    importedAt: timestampFromMs(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
  });
  t.deepEqual(messageJson(shown), {
    name: "main",
    head: { lsn: "16/B374D848", digest: "ab".repeat(32), seq: 12 },
    timeline_id: "01".repeat(16),
    frames: 13,
    bytes: 123456789,
    // Beyond 2^53 a number would be another one.
    system_identifier: "7412345678901234567",
    server_version_num: 150018,
    backup_start_lsn: "0/2000028",
    wal_segment_size: 16777216,
    imported_at: "2026-01-02T03:04:05.678Z",
    proof: null,
  });
});

test("every field is there: zero is zero, unset is null, an empty list is empty", (t) => {
  t.deepEqual(messageJson(create(ServerStatusResponseSchema, {})), {
    version: "",
    pid: 0,
    repository: "",
    listen: null,
    started_at: null,
    branches: 0,
  });
  const exported = messageJson(create(PerformExportResponseSchema, { notes: ["archive_mode = off"] }));
  t.like(exported, { head: null, bytes: 0, notes: ["archive_mode = off"] });
});

test("enum values are in lower case, without their prefix", (t) => {
  t.like(messageJson(create(PerformPushResponseSchema, { decision: Decision.UP_TO_DATE })), {
    decision: "up_to_date",
  });
  t.like(messageJson(create(PerformPushResponseSchema, {})), { decision: null });
});
