import { type DescEnum, type DescField, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { TextForm, text_form } from "../../../gen/neon/pageserver/v1/options_pb.js";
import { NeonError } from "../../errors.js";
import { formatLsn, parseLsn } from "../../lsn.js";

/** Value of a scalar or enum field as protobuf-es holds it. */
export type ScalarFieldValue = string | number | bigint | boolean | Uint8Array;

/** How the values of a field are written as text, and which Postgres type says so. */
export interface TextType {
  /** OID of the Postgres type (pg_type.oid). */
  readonly oid: number;
  /** OID of its array type. */
  readonly arrayOid: number;
  /** What a word must look like, for error messages: "a whole number from 0 to 4294967295". */
  readonly expects: string;
  /** Reads either text form; undefined if the text is no such value. */
  parse(text: string): ScalarFieldValue | undefined;
  /** Writes a value as a command's argument. */
  formatWord(value: ScalarFieldValue): string;
  /** Writes a value as a row's column: the output form of the Postgres type. */
  formatColumn(value: ScalarFieldValue): string;
}

/** Finds the text type of a scalar or enum field, or of the elements of a repeated one. Other fields have none. */
export function textType(field: DescField): TextType | undefined {
  if (hasOption(field, text_form) && getOption(field, text_form) === TextForm.LSN) return LSN;
  if (field.enum !== undefined) return enumType(field.enum);
  if (field.fieldKind === "map" || field.scalar === undefined) return undefined;
  return SCALARS[field.scalar];
}

function textTypeOf(
  oids: readonly [oid: number, arrayOid: number],
  expects: string,
  parse: (text: string) => ScalarFieldValue | undefined,
  formatColumn: (value: ScalarFieldValue) => string = String,
  formatWord: (value: ScalarFieldValue) => string = formatColumn,
): TextType {
  return { oid: oids[0], arrayOid: oids[1], expects, parse, formatColumn, formatWord };
}

const OID = {
  bool: [16, 1000],
  bytea: [17, 1001],
  int8: [20, 1016],
  int4: [23, 1007],
  text: [25, 1009],
  float4: [700, 1021],
  float8: [701, 1022],
  numeric: [1700, 1231],
  pg_lsn: [3220, 3221],
} as const;

const TRUE = new Set(["true", "t", "on", "yes", "1"]);
const FALSE = new Set(["false", "f", "off", "no", "0"]);

function parseBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return true;
  return FALSE.has(word) ? false : undefined;
}

function integerType(
  oids: readonly [number, number],
  minimum: bigint,
  maximum: bigint,
  wide: boolean,
): TextType {
  return textTypeOf(oids, `a whole number from ${minimum} to ${maximum}`, (text) => {
    if (!/^-?[0-9]{1,20}$/.test(text)) return undefined;
    const value = BigInt(text);
    if (value < minimum || value > maximum) return undefined;
    return wide ? value : Number(value);
  });
}

function parseFloat8(text: string): number | undefined {
  if (/^-?Infinity$|^NaN$/.test(text)) return Number(text);
  return /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/.test(text) ? Number(text) : undefined;
}

function parseHex(text: string): Uint8Array | undefined {
  const digits = text.startsWith("\\x") ? text.slice(2) : text;
  return /^([0-9A-Fa-f]{2})*$/.test(digits) ? new Uint8Array(Buffer.from(digits, "hex")) : undefined;
}

function formatHex(value: ScalarFieldValue): string {
  const bytes = value as Uint8Array;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

const INT4 = integerType(OID.int4, -(2n ** 31n), 2n ** 31n - 1n, false);
const UINT4 = integerType(OID.int8, 0n, 2n ** 32n - 1n, false);
const INT8 = integerType(OID.int8, -(2n ** 63n), 2n ** 63n - 1n, true);
const UINT8 = integerType(OID.numeric, 0n, 2n ** 64n - 1n, true);

const SCALARS: Record<ScalarType, TextType> = {
  [ScalarType.STRING]: textTypeOf(OID.text, "text", (text) => text),
  [ScalarType.BOOL]: textTypeOf(
    OID.bool,
    "true or false",
    parseBoolean,
    (value) => (value ? "t" : "f"),
    (value) => (value ? "true" : "false"),
  ),
  [ScalarType.BYTES]: textTypeOf(
    OID.bytea,
    "bytes as hexadecimal digits",
    parseHex,
    (value) => `\\x${formatHex(value)}`,
    formatHex,
  ),
  [ScalarType.DOUBLE]: textTypeOf(OID.float8, "a number", parseFloat8),
  [ScalarType.FLOAT]: textTypeOf(OID.float4, "a number", (text) => {
    const value = parseFloat8(text);
    return value === undefined ? undefined : Math.fround(value);
  }),
  [ScalarType.INT32]: INT4,
  [ScalarType.SINT32]: INT4,
  [ScalarType.SFIXED32]: INT4,
  [ScalarType.UINT32]: UINT4,
  [ScalarType.FIXED32]: UINT4,
  [ScalarType.INT64]: INT8,
  [ScalarType.SINT64]: INT8,
  [ScalarType.SFIXED64]: INT8,
  [ScalarType.UINT64]: UINT8,
  [ScalarType.FIXED64]: UINT8,
};

const LSN = textTypeOf(
  OID.pg_lsn,
  "an LSN such as 16/B374D848",
  (text) => {
    try {
      return parseLsn(text);
    } catch (error) {
      if (error instanceof NeonError) return undefined;
      throw error;
    }
  },
  (value) => formatLsn(value as bigint),
);

/** Enum values are written in lower case without the prefix that protobuf's style wants: DECISION_UP_TO_DATE is up_to_date. */
function enumType(type: DescEnum): TextType {
  const texts = new Map<number, string>();
  const numbers = new Map<string, number>();
  for (const value of type.values) {
    const text = value.name.toLowerCase().slice((type.sharedPrefix ?? "").length);
    if (!texts.has(value.number)) texts.set(value.number, text);
    numbers.set(text, value.number);
  }
  return textTypeOf(
    OID.text,
    `one of ${[...numbers.keys()].join(", ")}`,
    (text) => numbers.get(text) ?? (/^[0-9]{1,9}$/.test(text) ? Number(text) : undefined),
    (value) => texts.get(value as number) ?? String(value),
  );
}
