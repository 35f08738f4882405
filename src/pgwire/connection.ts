import type { CopyBoth } from "./copy-both.js";

/** One set of rows in the answer to a Query. */
export interface ResultSet {
  /** RowDescription; empty where the command returns no rows. */
  readonly fields: { name: string; dataTypeID: number }[];
  /** The values in their text form. */
  readonly rows: (string | null)[][];
  /** The tag of CommandComplete, such as `SELECT 1`; empty for an empty query. */
  readonly command: string;
}

/** A NoticeResponse. */
export interface Notice {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

/** What `query` takes besides the text. */
export interface QueryOptions {
  /** Called for each NoticeResponse while the query runs, instead of the connection's own function. */
  readonly onNotice?: ((notice: Notice) => void) | undefined;
  /** Aborting sends a CancelRequest; the query then ends with what the server answers (57014). */
  readonly signal?: AbortSignal | undefined;
  /** How values are decoded: `latin1` keeps bytes that are not UTF-8 apart (TIMELINE_HISTORY). Default `utf8`. */
  readonly encoding?: "utf8" | "latin1";
}

/** A step of the answer to a Query with CopyOut. */
export type CopyOutEvent =
  | { readonly type: "rows"; readonly result: ResultSet }
  | { readonly type: "copyBegin" }
  /** `data` is the content of one CopyData and belongs to the caller. */
  | { readonly type: "data"; readonly data: Buffer }
  | { readonly type: "copyEnd" };

/** A client's CopyBoth, and the way back to ordinary queries. */
export interface CopyBothSession extends CopyBoth {
  /** Whether the server opened CopyBoth. If not it answered rows at once: `read()` is empty and `finish()` has them. */
  readonly opened: boolean;
  /**
   * Sends CopyDone if that is still missing, drops CopyData up to the other end's CopyDone, and takes what follows up to
   * ReadyForQuery; then the connection can be used again. Throws the server's error, if one came, after ReadyForQuery.
   */
  finish(): Promise<ResultSet[]>;
}

/** A client's connection. One command at a time. */
export interface Connection {
  /** ParameterStatus, by name. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Runs a simple Query and collects all its result sets. Throws the server's error after ReadyForQuery. */
  query(sql: string, options?: QueryOptions): Promise<ResultSet[]>;
  /**
   * Runs a Query that answers result sets and CopyOut (BASE_BACKUP). The socket rests while nobody asks. Leaving the loop
   * early destroys the connection.
   */
  copyOut(sql: string): AsyncIterable<CopyOutEvent>;
  /**
   * Runs a Query that switches to CopyBoth. Throws the server's error if it refuses; the connection stays usable.
   * `early` are the first CopyData: they leave with the Query, in one write, so that the server finds them before it sends
   * anything. A server that opens no CopyBoth ignores them (manual: 55.2.6).
   */
  copyBoth(sql: string, early?: readonly Buffer[]): Promise<CopyBothSession>;
  /** Sends Terminate and waits for the socket to close. */
  close(): Promise<void>;
  /** Closes the socket now; whatever waits fails with 08006. */
  destroy(): void;
}
