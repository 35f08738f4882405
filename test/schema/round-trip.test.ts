import {
  type DescMessage,
  equals,
  fromBinary,
  fromJson,
  type Message,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import test from "ava";
import { file_neon_pageserver_v1_frame } from "../../gen/neon/pageserver/v1/frame_pb.js";
import { file_neon_pageserver_v1_record } from "../../gen/neon/pageserver/v1/record_pb.js";
import { file_neon_pageserver_v1_service } from "../../gen/neon/pageserver/v1/service_pb.js";
import { file_neon_pageserver_v1_session } from "../../gen/neon/pageserver/v1/session_pb.js";
import { file_neon_store_v1_store } from "../../gen/neon/store/v1/store_pb.js";
import { samples } from "./sample.js";

const files = [
  file_neon_pageserver_v1_frame,
  file_neon_pageserver_v1_record,
  file_neon_pageserver_v1_service,
  file_neon_pageserver_v1_session,
  file_neon_store_v1_store,
];

for (const schema of files.flatMap((file) => file.messages)) {
  for (const message of samples(schema)) {
    const name = `${schema.typeName}${caseOf(message)}`;

    test(`${name} survives a round trip through bytes and JSON`, (t) => {
      const bytes = toBinary(schema, message);
      t.true(equals(schema, fromBinary(schema, bytes), message));
      t.true(equals(schema, fromJson(schema, toJson(schema, message)), message));
    });

    test(`${name} cut at any byte is never taken for the whole`, (t) => {
      const bytes = toBinary(schema, message);
      for (let length = 0; length < bytes.length; length++) {
        const parsed = tryParse(schema, bytes.subarray(0, length));
        t.false(parsed !== undefined && equals(schema, parsed, message), `cut at ${length}`);
      }
      t.pass();
    });
  }
}

function caseOf(message: Message): string {
  const oneof = Object.values(message).find(
    (value) => typeof value === "object" && value !== null && "case" in value,
  );
  return oneof === undefined ? "" : `.${oneof.case}`;
}

function tryParse(schema: DescMessage, bytes: Uint8Array): Message | undefined {
  try {
    return fromBinary(schema, bytes);
  } catch {
    return undefined;
  }
}
