import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { columnsOf } from "./columns.js";

/** Name and type of one column, as RowDescription carries them. */
export interface FieldDescription {
  readonly name: string;
  readonly dataTypeID: number;
}

/** What RowDescription says of rows that hold this message. */
export function describeRow(message: DescMessage): FieldDescription[] {
  return columnsOf(message).map(({ name, dataTypeID }) => ({ name, dataTypeID }));
}

/** One row: the text of every column of a message. */
export function formatRow<D extends DescMessage>(
  descriptor: D,
  message: MessageInitShape<D>,
): (string | null)[] {
  const reflected = reflect(descriptor, create(descriptor, message));
  return columnsOf(descriptor).map((column) => column.get(reflected));
}

/**
 * The message of one row; the inverse of {@link formatRow}. Columns are found by name: those that this version does
 * not know are passed over, and missing ones stay unset, so that servers may be older or newer.
 */
export function readRow<D extends DescMessage>(
  descriptor: D,
  fields: readonly FieldDescription[],
  values: readonly (string | null)[],
): MessageShape<D> {
  const reflected = reflect(descriptor, create(descriptor));
  const columns = new Map(columnsOf(descriptor).map((column) => [column.name, column]));
  for (const [index, field] of fields.entries()) {
    const text = values[index];
    if (text !== null && text !== undefined) columns.get(field.name)?.set(reflected, text);
  }
  return reflected.message as MessageShape<D>;
}
