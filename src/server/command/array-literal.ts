/** Writes a one-dimensional array as Postgres prints it: `{a,"b c"}` (manual: Array Input and Output Syntax). */
export function formatArray(elements: readonly string[]): string {
  return `{${elements.map(formatElement).join(",")}}`;
}

/** Reads what {@link formatArray} writes; undefined if the text is no such array. NULL elements are none of ours. */
export function parseArray(text: string): string[] | undefined {
  if (!/^\{.*\}$/s.test(text)) return undefined;
  if (text === "{}") return [];
  const elements: string[] = [];
  const body = `${text.slice(1, -1)},`;
  const element = /(?:"((?:[^"\\]|\\.)*)"|([^"\\{},]+)),/sy;
  while (element.lastIndex < body.length) {
    const match = element.exec(body);
    if (match === null) return undefined;
    elements.push(match[1] === undefined ? (match[2] as string) : match[1].replace(/\\(.)/gs, "$1"));
  }
  return elements;
}

function formatElement(element: string): string {
  const bare = element !== "" && !/[\s"\\{},]/.test(element) && element.toUpperCase() !== "NULL";
  return bare ? element : `"${element.replace(/["\\]/g, "\\$&")}"`;
}
