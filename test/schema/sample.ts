import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";

const SCALARS: Partial<Record<ScalarType, unknown>> = {
  [ScalarType.STRING]: "naïve 'text'",
  [ScalarType.BYTES]: Uint8Array.of(0, 1, 0x80, 0xff),
  [ScalarType.BOOL]: true,
  [ScalarType.DOUBLE]: 1.5,
  [ScalarType.UINT32]: 0xfffffffe,
  [ScalarType.UINT64]: 0xfffffffffffffffen,
  [ScalarType.INT32]: 2,
  [ScalarType.INT64]: 2n,
};

/** Messages of a schema with every field set: one, or one for each case of its oneof. */
export function samples(schema: DescMessage): Message[] {
  const oneof = schema.oneofs[0];
  const cases: (DescField | undefined)[] = oneof ? oneof.fields : [undefined];
  return cases.map((chosen) => {
    const message = create(schema);
    const reflected = reflect(schema, message);
    for (const field of schema.fields) {
      if (field.oneof !== undefined && field !== chosen) continue;
      if (field.fieldKind === "list") {
        const list = reflected.get(field);
        for (const item of [0, 1]) list.add(sampleValue(field, item));
      } else {
        reflected.set(field, sampleValue(field, 0));
      }
    }
    return message;
  });
}

function sampleValue(field: DescField, item: number): never {
  if (field.message !== undefined) return reflect(field.message, samples(field.message)[0]) as never;
  if (field.enum !== undefined) return field.enum.values[field.enum.values.length - 1].number as never;
  if (field.scalar === undefined || SCALARS[field.scalar] === undefined) {
    throw new Error(`no sample for ${field.parent.typeName}.${field.name}, item ${item}`);
  }
  return SCALARS[field.scalar] as never;
}
