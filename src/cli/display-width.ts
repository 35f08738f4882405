const WIDE =
  /^(?:[\u1100-\u115f\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation})/u;

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** How many columns of a terminal a text takes: an accent none of its own, a Chinese character or an emoji two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}
