/** Breaks a text at its spaces into lines of at most `width` characters. A longer word gets a line of its own. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of text.split(" ")) {
    if (line !== undefined && line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      if (line !== undefined) lines.push(line);
      line = word;
    }
  }
  return line === undefined ? lines : [...lines, line];
}

/** Terms with what they mean beside them, or below where there is little room; lines of at most `width` characters. */
export function formatDefinitions(
  rows: readonly (readonly [term: string, text: string])[],
  width: number,
): string[] {
  const longest = Math.max(...rows.map(([term]) => term.length));
  const column = longest + 4;
  const words = rows.flatMap(([, text]) => text.split(" ").map((word) => word.length));
  const beside = column <= width / 2 && Math.max(...words) <= width - column;
  return rows.flatMap(([term, text]) => {
    if (!beside) return [`  ${term}`, ...wrapText(text, width - 6).map((line) => `      ${line}`)];
    const [first = "", ...others] = wrapText(text, width - column);
    return [`  ${term.padEnd(longest)}  ${first}`, ...others.map((line) => " ".repeat(column) + line)];
  });
}
