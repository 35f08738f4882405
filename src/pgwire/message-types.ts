/** Type bytes of the messages that a client sends (manual: 55.7, Message Formats). */
export const Frontend = {
  Bind: code("B"),
  Close: code("C"),
  CopyData: code("d"),
  CopyDone: code("c"),
  CopyFail: code("f"),
  Describe: code("D"),
  Execute: code("E"),
  Flush: code("H"),
  FunctionCall: code("F"),
  Parse: code("P"),
  Query: code("Q"),
  /** SASLInitialResponse has the same type. */
  SASLResponse: code("p"),
  Sync: code("S"),
  Terminate: code("X"),
} as const;

/** Type bytes of the messages that a server sends. */
export const Backend = {
  Authentication: code("R"),
  BackendKeyData: code("K"),
  CommandComplete: code("C"),
  CopyBothResponse: code("W"),
  CopyData: code("d"),
  CopyDone: code("c"),
  CopyInResponse: code("G"),
  CopyOutResponse: code("H"),
  DataRow: code("D"),
  EmptyQueryResponse: code("I"),
  ErrorResponse: code("E"),
  NegotiateProtocolVersion: code("v"),
  NoticeResponse: code("N"),
  NotificationResponse: code("A"),
  ParameterStatus: code("S"),
  ReadyForQuery: code("Z"),
  RowDescription: code("T"),
} as const;

/** First int32 after the length of a message without a type byte. */
export const StartupCode = {
  CancelRequest: (1234 << 16) | 5678,
  SSLRequest: (1234 << 16) | 5679,
  GSSENCRequest: (1234 << 16) | 5680,
  /** Protocol 3.0. */
  Protocol3: 3 << 16,
} as const;

/** How a message's type is named in an error. */
export function describeType(type: number): string {
  return type >= 0x21 && type <= 0x7e
    ? `"${String.fromCharCode(type)}"`
    : `0x${type.toString(16).padStart(2, "0")}`;
}

function code(letter: string): number {
  return letter.charCodeAt(0);
}
