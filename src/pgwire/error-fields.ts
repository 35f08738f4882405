import { cleanText } from "../clean-text.js";
import { type ErrorCode, type ErrorDetails, NeonError, SQLSTATE } from "../errors.js";
import { MAX_FOREIGN_DETAIL } from "../limits.js";
import { BodyReader } from "./body-reader.js";
import { buildMessage, byte, cstring, type Part } from "./build-message.js";
import type { Notice } from "./connection.js";
import { Backend } from "./message-types.js";

/** Reads the fields of an ErrorResponse or NoticeResponse (manual: 55.8), their texts cleaned (see cleanText). */
export function parseNotice(body: Buffer): Notice {
  const fields = new Map<string, string>();
  const reader = new BodyReader(body);
  for (let type = reader.byte(); type !== 0; type = reader.byte()) {
    fields.set(String.fromCharCode(type), reader.cstring());
  }
  return cleanNotice({
    // V is S without translation; servers before 9.6 do not send it.
    severity: fields.get("V") ?? fields.get("S") ?? "ERROR",
    code: fields.get("C") ?? "",
    message: fields.get("M") ?? "",
    detail: fields.get("D"),
    hint: fields.get("H"),
  });
}

/** A server's notice, its texts cleaned. */
export function cleanNotice({ severity, code, message, detail, hint }: Notice): Notice {
  return {
    severity: cleanText(severity),
    code: SQLSTATE_FORM.test(code) ? code : SQLSTATE.internal_error,
    message: cleanText(message),
    detail: detail && cleanText(detail, MAX_FOREIGN_DETAIL),
    hint: hint && cleanText(hint),
  };
}

const SQLSTATE_FORM = /^[0-9A-Z]{5}$/;

/** The NeonError for a server's ErrorResponse. */
export function parseError(body: Buffer): NeonError {
  const { code, message, detail, hint } = parseNotice(body);
  return errorFor(code, message, { ...(detail && { detail }), ...(hint && { hint }), reported: true });
}

/** The NeonError for a client's CopyFail: its text begins with an SQLSTATE if the client is ours. */
export function parseCopyFail(body: Buffer): NeonError {
  const text = new BodyReader(body).cstring();
  const match = /^([0-9A-Z]{5}): (.*)$/s.exec(text);
  if (match !== null) return errorFor(match[1] as string, cleanText(match[2] as string), {});
  return errorFor(SQLSTATE.query_canceled, `the client gave up: ${cleanText(text)}`, {});
}

/** The text of CopyFail for an error; `parseCopyFail` is its inverse. */
export function formatCopyFail(error: NeonError): string {
  return `${error.sqlstate}: ${error.message}`;
}

/** The ErrorResponse for an error. FATAL tells the client that the connection ends here. */
export function errorResponse(error: NeonError, severity: "ERROR" | "FATAL"): Buffer {
  const { sqlstate, message, detail, hint } = error;
  return fieldsMessage(Backend.ErrorResponse, { severity, code: sqlstate, message, detail, hint });
}

/** The NoticeResponse for a notice. */
export function noticeResponse(notice: Notice): Buffer {
  return fieldsMessage(Backend.NoticeResponse, notice);
}

function fieldsMessage(type: number, { severity, code, message, detail, hint }: Notice): Buffer {
  const parts: Part[] = [];
  const fields = { S: severity, V: severity, C: code, M: message, D: detail, H: hint };
  for (const [letter, text] of Object.entries(fields)) {
    if (text !== undefined) parts.push(byte(letter.charCodeAt(0)), cstring(text));
  }
  return buildMessage(type, ...parts, byte(0));
}

const CODES = new Map(
  Object.entries(SQLSTATE).map(([code, sqlstate]) => [sqlstate as string, code as ErrorCode]),
);

function errorFor(
  sqlstate: string,
  message: string,
  texts: Pick<ErrorDetails, "detail" | "hint" | "reported">,
): NeonError {
  const code = CODES.get(sqlstate) ?? "internal_error";
  return new NeonError(code, message, { ...texts, sqlstate, retryable: isRetryable(sqlstate) });
}

/** Classes 08 (connection), 40 (serialization), 53 (resources), and a server that is going down or coming up. */
function isRetryable(sqlstate: string): boolean {
  return /^(08|40|53|57P0[1235])/.test(sqlstate) && sqlstate !== SQLSTATE.protocol_violation;
}
