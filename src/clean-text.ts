import { MAX_FOREIGN_TEXT } from "./limits.js";

/** Line breaks and tabs, which would forge a line of ours. */
const BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
/** What commands a terminal, turns the direction of writing, or cannot be seen; and halves of characters. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}]/gu;

/**
 * A text of another program or person as it may be shown and logged: on one line, without control and format characters,
 * and cut to `limit` UTF-16 units. To be called where the text enters.
 */
export function cleanText(text: string, limit: number = MAX_FOREIGN_TEXT): string {
  const kept = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return kept.replace(BREAKS, " ").replace(UNSEEN, "");
}
