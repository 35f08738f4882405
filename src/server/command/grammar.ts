/**
 * The command grammar, text to words; what the words mean is request.ts's business.
 *
 *     command  = method { space argument } [ ";" ]
 *     argument = [ name "=" ] value
 *     name     = [a-z][a-z0-9_]*, never quoted
 *     value    = bare word | "'" text with every quote doubled "'"
 *
 * A bare word ends at white space; quotes and semicolons need quoting.
 */
import { NeonError } from "../../errors.js";

/** One argument as written. */
export interface Word {
  /** The part before `=`, where the argument has one. */
  readonly name: string | undefined;
  /** Its value, without quotes. */
  readonly value: string;
}

/** What one Query holds. */
export type Statement =
  | { readonly kind: "empty" }
  /** BEGIN and its like: accepted, for drivers that send it unasked. */
  | { readonly kind: "ignored"; readonly tag: string }
  | { readonly kind: "command"; readonly name: string; readonly words: readonly Word[] };

const IGNORED: Readonly<Record<string, string>> = {
  BEGIN: "BEGIN",
  START: "BEGIN",
  COMMIT: "COMMIT",
  END: "COMMIT",
  ROLLBACK: "ROLLBACK",
  SET: "SET",
};

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Reads the text of one Query. Throws 42601; no message of it quotes the text, which can hold passwords.
 *
 * @param assertCommand throws where the first word is no command: what follows would be judged by rules that it does not keep
 */
export function parseStatement(text: string, assertCommand: (name: string) => void = () => {}): Statement {
  if (withoutComments(text, /[\s;]/) === "") return { kind: "empty" };
  const commented = withoutComments(text, /\s/);
  const first = /^[^\s;']*/.exec(commented)?.[0] ?? "";
  const tag = Object.hasOwn(IGNORED, first.toUpperCase()) ? IGNORED[first.toUpperCase()] : undefined;
  if (tag === undefined && NAME.test(first)) assertCommand(first);
  const body = withoutTerminator(commented);
  if (tag !== undefined) return { kind: "ignored", tag };
  if (!NAME.test(first)) {
    throw new NeonError("syntax_error", "the text does not begin with the name of a command", {
      hint: "command_list lists the commands.",
    });
  }
  return { kind: "command", name: first, words: parseWords(body.slice(first.length)) };
}

/** Takes off the blanks and the comments that a text begins with: drivers send `-- ping` to see who is there. */
function withoutComments(text: string, blank: RegExp): string {
  let at = 0;
  for (;;) {
    while (blank.test(text.charAt(at))) at++;
    if (text.startsWith("--", at)) {
      const end = text.indexOf("\n", at);
      at = end === -1 ? text.length : end + 1;
    } else if (text.startsWith("/*", at)) at = endOfComment(text, at);
    else return text.slice(at);
  }
}

/** Where the comment that begins at `at` ends. Comments nest, as in SQL. */
function endOfComment(text: string, at: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  throw new NeonError("syntax_error", "a comment has no end", { hint: "command_list lists the commands." });
}

/** Trims, takes the final semicolons off, and refuses text after a semicolon outside quotes. */
function withoutTerminator(text: string): string {
  const pieces = /^((?:[^';]+|'[^']*')*)(.*)$/s.exec(text) as RegExpExecArray;
  const [, body = "", rest = ""] = pieces;
  if (rest.startsWith("'")) {
    throw new NeonError("syntax_error", "a quoted value has no end", {
      hint: "A quote inside a quoted value is written twice: 'it''s'.",
    });
  }
  if (/[^;\s]/.test(rest)) {
    throw new NeonError("syntax_error", "a Query holds one command only", {
      hint: "Send the commands one by one; quote a value that holds a semicolon: 'a;b'.",
    });
  }
  return body.trim();
}

// The second alternative keeps `name=` without a value from being read as a value.
const WORD = /\s+(?:([a-z][a-z0-9_]*)=|(?![a-z][a-z0-9_]*=))(?:'((?:[^']|'')*)'|([^\s']+))(?=\s|$)/y;

function parseWords(text: string): Word[] {
  const words: Word[] = [];
  WORD.lastIndex = 0;
  for (let end = 0; end < text.length; end = WORD.lastIndex) {
    const match = WORD.exec(text);
    if (match === null) {
      throw new NeonError("syntax_error", `argument ${words.length + 1} is not well formed`, {
        hint: "Write value or name=value; quote a value with spaces, quotes or semicolons: 'it''s'.",
      });
    }
    const [, name, quoted, bare] = match;
    words.push({ name, value: quoted === undefined ? (bare as string) : quoted.replaceAll("''", "'") });
  }
  return words;
}
