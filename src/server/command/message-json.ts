import { createRegistry, type DescField, type Message } from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import {
  FeatureSet_FieldPresence,
  type Timestamp,
  TimestampSchema,
  timestampDate,
} from "@bufbuild/protobuf/wkt";
import { file_neon_pageserver_v1_service } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { file_neon_pageserver_v1_session } from "../../../gen/neon/pageserver/v1/session_pb.js";
import { type ScalarFieldValue, textType } from "./text-type.js";

/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const registry = createRegistry(
  file_neon_pageserver_v1_service,
  file_neon_pageserver_v1_session,
  TimestampSchema,
);

/**
 * A message of the schema in JSON: the field names of the schema, every field present (unset is null), and values in the text forms of
 * the commands: LSN `X/X`, bytes hex, enum values in lower case without prefix. 64-bit integers are numbers as long as
 * JavaScript's are exact, text beyond.
 */
export function messageJson(message: Message): Json {
  const schema = registry.getMessage(message.$typeName);
  if (schema === undefined) throw new Error(`${message.$typeName} is not in the schema`);
  return reflectedJson(reflect(schema, message));
}

function reflectedJson(message: ReflectMessage): Json {
  if (message.desc.typeName === TimestampSchema.typeName) {
    return timestampDate(message.message as Timestamp).toISOString();
  }
  return Object.fromEntries(message.fields.map((field) => [field.name, fieldJson(message, field)]));
}

function fieldJson(message: ReflectMessage, field: DescField): Json {
  const value: unknown = message.get(field);
  if (field.fieldKind === "list")
    return [...(value as Iterable<unknown>)].map((item) => valueJson(field, item));
  // Zero of an enum means "not given"; zero of a number is a number.
  const nullIfUnset = field.enum !== undefined || field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  if (nullIfUnset && !message.isSet(field)) return null;
  return valueJson(field, value);
}

function valueJson(field: DescField, value: unknown): Json {
  if (isReflectMessage(value)) return reflectedJson(value);
  const plain = typeof value === "string" || typeof value === "boolean" || typeof value === "number";
  if (plain && field.enum === undefined) return value;
  const text = textType(field)?.formatWord(value as ScalarFieldValue) ?? null;
  return typeof value === "bigint" && Number.isSafeInteger(Number(text)) ? Number(text) : text;
}
