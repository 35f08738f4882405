import { create, type DescField, type DescMethod, type MessageInitShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { NeonError } from "../../errors.js";
import { commandName, namedFields, positionalFields } from "./commands.js";
import { type ScalarFieldValue, type TextType, textType } from "./text-type.js";

/** Writes the command that calls a method with this request: what parseStatement and parseRequest read back. */
export function formatCommand<M extends DescMethod>(
  method: M,
  request: MessageInitShape<M["input"]>,
): string {
  return format(method, reflect(method.input, create(method.input, request)), (_, word) => quote(word));
}

/** The same for logs: fields marked `debug_redact` are left out. */
export function formatRedactedCommand<M extends DescMethod>(
  method: M,
  request: MessageInitShape<M["input"]>,
): string {
  return format(method, reflect(method.input, create(method.input, request)), (field, word) =>
    field.proto.options?.debugRedact === true ? "[redacted]" : quote(word),
  );
}

function format(
  method: DescMethod,
  request: ReflectMessage,
  write: (field: DescField, word: string) => string,
): string {
  const words = [commandName(method)];
  for (const field of positionalFields(method)) {
    words.push(write(field, requireType(field).formatWord(request.get(field) as ScalarFieldValue)));
  }
  for (const field of namedFields(method)) {
    if (!request.isSet(field)) continue;
    const values = field.fieldKind === "list" ? [...request.get(field)] : [request.get(field)];
    for (const value of values) {
      words.push(`${field.name}=${write(field, requireType(field).formatWord(value as ScalarFieldValue))}`);
    }
  }
  return words.join(" ");
}

/** Quotes what would not be read back as one bare word; `=` because a bare `a=b` names an argument. */
function quote(word: string): string {
  if (word.includes("\0")) {
    throw new NeonError("invalid_parameter_value", "an argument cannot hold a zero byte");
  }
  return /^[^\s'";=]+$/.test(word) ? word : `'${word.replaceAll("'", "''")}'`;
}

function requireType(field: DescField): TextType {
  const type = textType(field);
  if (type === undefined) throw new NeonError("internal_error", `argument "${field.name}" has no text form`);
  return type;
}
