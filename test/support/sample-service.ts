import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescMethod,
  setExtension,
} from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_timestamp,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { TextForm, text_form } from "../../gen/neon/pageserver/v1/options_pb.js";

/** Every scalar type, by the name of the field that has it in the messages of {@link sampleMethod}. */
export const SCALAR_TYPES = {
  text: Type.STRING,
  flag: Type.BOOL,
  raw: Type.BYTES,
  small: Type.INT32,
  zigzag: Type.SINT32,
  fixed_small: Type.SFIXED32,
  count: Type.UINT32,
  fixed_count: Type.FIXED32,
  big: Type.INT64,
  big_zigzag: Type.SINT64,
  fixed_big: Type.SFIXED64,
  total: Type.UINT64,
  fixed_total: Type.FIXED64,
  ratio: Type.DOUBLE,
  short_ratio: Type.FLOAT,
  position: Type.UINT64,
  mood: Type.ENUM,
} as const;

/** Name of a field of the sample messages. */
export type SampleField = keyof typeof SCALAR_TYPES;

const NAMES = Object.keys(SCALAR_TYPES) as SampleField[];

function field(name: string, number: number, type: Type, more: object = {}): FieldDescriptorProto {
  const typeName = type === Type.ENUM ? ".sample.Mood" : "";
  return create(FieldDescriptorProtoSchema, { name, number, type, typeName, label: Label.OPTIONAL, ...more });
}

function optionalField(name: string, number: number, type: Type, oneofIndex: number): FieldDescriptorProto {
  return field(name, number, type, { proto3Optional: true, oneofIndex });
}

const FILE = create(FileDescriptorProtoSchema, {
  name: "sample.proto",
  package: "sample",
  syntax: "proto3",
  dependency: ["google/protobuf/timestamp.proto"],
  enumType: [
    {
      name: "Mood",
      value: [
        { name: "MOOD_UNSPECIFIED", number: 0 },
        { name: "MOOD_GOOD", number: 1 },
        { name: "MOOD_VERY_BAD", number: 2 },
      ],
    },
  ],
  messageType: [
    ...NAMES.map((name) => ({
      name: `One_${name}`,
      field: [
        field("value", 1, SCALAR_TYPES[name], name === "position" ? lsnOption() : {}),
        field("many", 2, SCALAR_TYPES[name], {
          label: Label.REPEATED,
          ...(name === "position" ? lsnOption() : {}),
        }),
      ],
    })),
    {
      name: "Request",
      field: [
        field("first", 1, Type.STRING),
        field("second", 2, Type.UINT32),
        optionalField("third", 3, Type.STRING, 0),
      ],
      oneofDecl: [{ name: "_third" }],
    },
    {
      name: "Inner",
      field: [field("position", 1, Type.UINT64, lsnOption()), optionalField("note", 2, Type.STRING, 0)],
      oneofDecl: [{ name: "_note" }],
    },
    {
      name: "Response",
      field: [
        field("name", 2, Type.STRING),
        field("id", 1, Type.UINT64),
        field("inner", 3, Type.MESSAGE, { typeName: ".sample.Inner" }),
        field("at", 4, Type.MESSAGE, { typeName: ".google.protobuf.Timestamp" }),
        optionalField("note", 5, Type.STRING, 0),
        field("notes", 6, Type.STRING, { label: Label.REPEATED }),
        field("mood", 7, Type.ENUM),
      ],
      oneofDecl: [{ name: "_note" }],
    },
  ],
  service: [
    {
      name: "Samples",
      method: [
        ...NAMES.map((name) => ({
          name: `Take_${name}`,
          inputType: `.sample.One_${name}`,
          outputType: ".sample.Response",
        })),
        { name: "TakeRequest", inputType: ".sample.Request", outputType: ".sample.Response" },
      ],
    },
  ],
});

function lsnOption(): { options: ReturnType<typeof create<typeof FieldOptionsSchema>> } {
  const options = create(FieldOptionsSchema);
  setExtension(options, text_form, TextForm.LSN);
  return { options };
}

const REGISTRY = createFileRegistry(FILE, (name) =>
  name === "google/protobuf/timestamp.proto" ? file_google_protobuf_timestamp : undefined,
);

/** A method whose request has one positional field `value` and a repeated field `many`, both of the type of `name`. */
export function scalarMethod(name: SampleField): DescMethod {
  return method(`Take_${name}`);
}

/** A method with a text, a number, and an optional text `third`. */
export function sampleMethod(): DescMethod {
  return method("TakeRequest");
}

/** A response with nested, repeated, optional and enum fields, declared out of the order of their numbers. */
export function sampleResponse(): DescMessage {
  return method("TakeRequest").output;
}

function method(name: string): DescMethod {
  const found = REGISTRY.getService("sample.Samples")?.methods.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no method ${name}`);
  return found;
}
