import type { NeonError } from "../errors.js";
import { BodyReader } from "./body-reader.js";
import type { QueryOptions, ResultSet } from "./connection.js";
import { parseError, parseNotice } from "./error-fields.js";
import type { Message } from "./message-reader.js";
import { Backend } from "./message-types.js";

/** Gathers the result sets and the error of one Query's answer. */
export class ResultCollector {
  /** The result sets that are complete. */
  readonly results: ResultSet[] = [];
  /** The server's error, if one came. */
  error: NeonError | undefined;
  readonly #options: QueryOptions;
  #fields: ResultSet["fields"] = [];
  #rows: ResultSet["rows"] = [];

  constructor(options: QueryOptions = {}) {
    this.#options = options;
  }

  /** Takes a message; false if it is none of a result set, an error or a notice. */
  take({ type, body }: Message): boolean {
    switch (type) {
      case Backend.RowDescription:
        this.#fields = parseRowDescription(body);
        this.#rows = [];
        return true;
      case Backend.DataRow:
        this.#rows.push(parseDataRow(body, this.#options.encoding ?? "utf8"));
        return true;
      case Backend.CommandComplete:
        this.#complete(new BodyReader(body).cstring());
        return true;
      case Backend.EmptyQueryResponse:
        this.#complete("");
        return true;
      case Backend.ErrorResponse:
        this.error ??= parseError(body);
        return true;
      case Backend.NoticeResponse:
        this.#options.onNotice?.(parseNotice(body));
        return true;
      case Backend.NotificationResponse:
        return true;
      default:
        return false;
    }
  }

  #complete(command: string): void {
    this.results.push({ fields: this.#fields, rows: this.#rows, command });
    this.#fields = [];
    this.#rows = [];
  }
}

function parseRowDescription(body: Buffer): ResultSet["fields"] {
  const reader = new BodyReader(body);
  const fields: ResultSet["fields"] = [];
  for (let count = reader.int16(); count > 0; count--) {
    const name = reader.cstring();
    reader.bytes(6); // table OID and attribute number
    const dataTypeID = reader.uint32();
    reader.bytes(8); // type length, type modifier, format
    fields.push({ name, dataTypeID });
  }
  return fields;
}

function parseDataRow(body: Buffer, encoding: "utf8" | "latin1"): (string | null)[] {
  const reader = new BodyReader(body);
  const row: (string | null)[] = [];
  for (let count = reader.int16(); count > 0; count--) {
    const length = reader.int32();
    row.push(length === -1 ? null : reader.bytes(length).toString(encoding));
  }
  return row;
}
