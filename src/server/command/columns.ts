import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { NeonError } from "../../errors.js";
import { formatArray, parseArray } from "./array-literal.js";
import { type ScalarFieldValue, type TextType, textType } from "./text-type.js";
import { formatTimestamp, parseTimestamp, TIMESTAMPTZ_OID } from "./timestamp-text.js";

/** One column of a command's rows. */
export interface Column {
  /** Names of the fields on the way to the value, joined by `_`: `head_lsn`. */
  readonly name: string;
  /** OID of the column's Postgres type. */
  readonly dataTypeID: number;
  /** Text of a message's value; null if it is unset. */
  get(message: ReflectMessage): string | null;
  /** Puts a value's text, not null, into a message. Throws 08P01 if it is no such value. */
  set(message: ReflectMessage, text: string): void;
}

const cache = new WeakMap<DescMessage, readonly Column[]>();

/** The columns of a message: its fields by number, each submessage's own fields in its place. */
export function columnsOf(message: DescMessage): readonly Column[] {
  let columns = cache.get(message);
  if (columns === undefined) {
    columns = [...message.fields].sort((a, b) => a.number - b.number).flatMap(fieldColumns);
    cache.set(message, columns);
  }
  return columns;
}

function fieldColumns(field: DescField): Column[] {
  if (field.fieldKind === "message") {
    return field.message.typeName === "google.protobuf.Timestamp" ? [timestampColumn(field)] : nested(field);
  }
  const type = textType(field);
  if (type === undefined) {
    throw new NeonError("internal_error", `field ${field.parent.typeName}.${field.name} cannot be a column`);
  }
  if (field.fieldKind === "list") return [arrayColumn(field, type)];
  return [scalarColumn(field as DescField & { fieldKind: "scalar" | "enum" }, type)];
}

function scalarColumn(field: DescField & { fieldKind: "scalar" | "enum" }, type: TextType): Column {
  // Zero of an enum means "not given" everywhere (buf's ENUM_ZERO_VALUE_SUFFIX); zero of a number is a number.
  const nullIfUnset = field.fieldKind === "enum" || field.proto.proto3Optional || field.oneof !== undefined;
  return {
    name: field.name,
    dataTypeID: type.oid,
    get: (message) =>
      nullIfUnset && !message.isSet(field) ? null : type.formatColumn(message.get(field) as ScalarFieldValue),
    set: (message, text) => message.set(field, parsed(field, type.parse(text))),
  };
}

function arrayColumn(field: DescField & { fieldKind: "list" }, type: TextType): Column {
  return {
    name: field.name,
    dataTypeID: type.arrayOid,
    get: (message) =>
      formatArray([...message.get(field)].map((value) => type.formatColumn(value as ScalarFieldValue))),
    set: (message, text) => {
      const list = message.get(field);
      for (const element of parsed(field, parseArray(text))) list.add(parsed(field, type.parse(element)));
    },
  };
}

function timestampColumn(field: DescField & { fieldKind: "message" }): Column {
  return {
    name: field.name,
    dataTypeID: TIMESTAMPTZ_OID,
    get: (message) =>
      message.isSet(field) ? formatTimestamp(message.get(field).message as Timestamp) : null,
    set: (message, text) => message.set(field, reflect(TimestampSchema, parsed(field, parseTimestamp(text)))),
  };
}

function nested(field: DescField & { fieldKind: "message" }): Column[] {
  return columnsOf(field.message).map((column) => ({
    name: `${field.name}_${column.name}`,
    dataTypeID: column.dataTypeID,
    get: (message) => (message.isSet(field) ? column.get(message.get(field)) : null),
    set: (message, text) => {
      const child = message.get(field);
      column.set(child, text);
      message.set(field, child);
    },
  }));
}

function parsed<T>(field: DescField, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new NeonError("protocol_violation", `the server sent a column "${field.name}" that cannot be read`, {
    party: "protocol",
  });
}
