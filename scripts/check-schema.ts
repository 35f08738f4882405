import {
  type DescField,
  type DescMessage,
  type DescService,
  getOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { copy_both, TextForm, text_form } from "../gen/neon/pageserver/v1/options_pb.js";
import { commandName } from "../src/server/command/commands.js";

/** Words that a command of ours cannot be called: SQL that is accepted, and what stock replication clients send. */
const RESERVED_COMMANDS = new Set([
  ...["abort", "begin", "commit", "end", "reset", "rollback", "select", "set", "show", "start"],
  ...["alter_replication_slot", "base_backup", "create_replication_slot", "drop_replication_slot"],
  ...["identify_system", "read_replication_slot", "start_replication", "timeline_history", "upload_manifest"],
]);

const SECRET = /(^|_)(uri|password|secret|token)$/;

/** Checks what the command grammar asks of the service's messages; `buf lint` and `buf breaking` do not see it. */
export function checkSchema(service: DescService): string[] {
  return service.methods.flatMap((method) => {
    const command = commandName(method);
    const violations = [...checkRequest(method.input), ...checkFields(method.input)];
    if (RESERVED_COMMANDS.has(command)) violations.push(`the name ${command} is reserved`);
    if (method.methodKind !== "unary" && method.methodKind !== "server_streaming") {
      violations.push("a command takes one request: no client streaming");
    }
    if (getOption(method, copy_both)) {
      if (method.methodKind !== "server_streaming") violations.push("a copy_both method returns a stream");
    } else {
      violations.push(...checkColumns(method.output));
    }
    return violations.map((violation) => `${method.name}: ${violation}`);
  });
}

/** Positional fields are numbered from 1 without gaps; what is not positional comes after them. */
function checkRequest(request: DescMessage): string[] {
  const violations: string[] = [];
  const fields = [...request.fields].sort((a, b) => a.number - b.number);
  const reserved = (number: number) =>
    request.proto.reservedRange.some(({ start, end }) => start <= number && number < end);
  let next = 1;
  let named: string | undefined;
  for (const field of fields) {
    if (positional(field)) {
      if (named !== undefined) {
        violations.push(
          `${field.name} comes after ${named}, which is given by name: make it optional or repeated`,
        );
      }
      if (field.number !== next)
        violations.push(`${field.name} = ${field.number} leaves a gap: ${next} is free`);
    } else {
      named ??= field.name;
      while (next < field.number && reserved(next)) next++;
      if (field.number !== next) {
        violations.push(`${field.name} = ${field.number} leaves a gap: ${next} is neither used nor reserved`);
      }
    }
    next = field.number + 1;
  }
  return violations;
}

function positional(field: DescField): boolean {
  return (field.fieldKind === "scalar" || field.fieldKind === "enum") && !field.proto.proto3Optional;
}

function checkFields(request: DescMessage): string[] {
  return request.fields.flatMap((field) => {
    const violations: string[] = [];
    if (!isText(field)) violations.push("has no text form: scalars and enums, or repeated ones, only");
    if (field.oneof !== undefined) violations.push("stands in a oneof, which the grammar does not know");
    if (!/^[a-z][a-z0-9_]*$/.test(field.name)) violations.push("cannot be given by name");
    if (SECRET.test(field.name) && field.proto.options?.debugRedact !== true) {
      violations.push("may hold a secret and lacks debug_redact");
    }
    return [...violations, ...checkTextForm(field)].map((violation) => `${field.name} ${violation}`);
  });
}

function isText(field: DescField): boolean {
  if (field.fieldKind === "list") return field.listKind !== "message";
  return field.fieldKind === "scalar" || field.fieldKind === "enum";
}

function checkTextForm(field: DescField): string[] {
  if (getOption(field, text_form) !== TextForm.LSN || field.scalar === ScalarType.UINT64) return [];
  return ["is no uint64, so no LSN"];
}

/** A row's columns are the response's fields, submessages flattened; two of them must not get the same name. */
function checkColumns(response: DescMessage): string[] {
  const names = columnNames(response, "", []);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return [
    ...twice.map((name) => `two columns of ${response.name} are called ${name}`),
    ...response.fields.flatMap((field) =>
      checkTextForm(field).map((violation) => `${field.name} ${violation}`),
    ),
  ];
}

function columnNames(message: DescMessage, prefix: string, outer: DescMessage[]): string[] {
  if (outer.includes(message)) return [`${prefix}${message.name} holds itself`];
  return message.fields.flatMap((field) => {
    const name = `${prefix}${field.name}`;
    const flat = field.fieldKind === "message" && !field.message.typeName.startsWith("google.protobuf.");
    return flat ? columnNames(field.message, `${name}_`, [...outer, message]) : [name];
  });
}
