import test from "ava";
import { cleanText } from "../src/clean-text.js";

const TEXTS: [name: string, text: string, cleaned: string][] = [
  ["plain text", 'the branch "größer 日本語 😀" is there', 'the branch "größer 日本語 😀" is there'],
  ["colours", "\x1b[31mred\x1b[0m", "[31mred[0m"],
  ["a title", "\x1b]0;title\x07.", "]0;title."],
  ["the single-character commands of C1", "a\x9b2Jb", "a2Jb"],
  ["a forged second line", "done\r\nneon: all is well\n", "done neon: all is well "],
  ["separators of lines and paragraphs", "a\u2028b\u2029c\u0085d", "a b c d"],
  ["another direction of writing", "\u202egnp.exe \u2066x\u2069", "gnp.exe x"],
  ["what is not seen", "ma\u200bin\u00ad\ufeff\u{e0061}", "main"],
  ["half a character", "a\ud83d", "a"],
  ["NUL and DEL", "a\0b\x7f", "ab"],
];
for (const [name, text, cleaned] of TEXTS) {
  test(`${name} of somebody else's can be shown`, (t) => t.is(cleanText(text), cleaned));
}

test("a long text is cut, between characters and before it is looked at", (t) => {
  t.is(cleanText("x".repeat(10), 10), "x".repeat(10));
  t.is(cleanText("x".repeat(11), 10), `${"x".repeat(10)}…`);
  t.is(cleanText("😀".repeat(10), 5), "😀😀…");
  t.is(cleanText("\x1b".repeat(100_000_000)), "…");
});
