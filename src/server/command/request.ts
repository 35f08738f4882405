import { create, type DescField, type DescMethod, type Message, type MessageShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { NeonError } from "../../errors.js";
import { commandUsage, positionalFields } from "./commands.js";
import type { Word } from "./grammar.js";
import { textType } from "./text-type.js";

/**
 * Makes a command's request of its words: the n-th word without a name fills the n-th field, `name=value` fills the
 * field of that name. Throws 42601 (wrong arguments) or 22023 (wrong value), with the usage line as the hint; no
 * message quotes a value.
 */
export function parseRequest<M extends DescMethod>(
  method: M,
  words: readonly Word[],
): MessageShape<M["input"]> {
  const request: ReflectMessage = reflect(method.input, create(method.input) as Message);
  const positional = positionalFields(method);
  const given = new Set<DescField>();
  let position = 0;
  for (const word of words) {
    const field = word.name === undefined ? positional[position++] : fieldNamed(method, word.name);
    if (field === undefined) {
      throw refuse(
        method,
        "syntax_error",
        `too many arguments: ${positional.length} can stand without a name`,
      );
    }
    if (given.has(field) && field.fieldKind !== "list") {
      throw refuse(method, "syntax_error", `argument "${field.name}" is given twice`);
    }
    given.add(field);
    setField(method, request, field, word.value);
  }
  const missing = positional.find((field) => !given.has(field));
  if (missing !== undefined) throw refuse(method, "syntax_error", `argument "${missing.name}" is missing`);
  return request.message as MessageShape<M["input"]>;
}

function fieldNamed(method: DescMethod, name: string): DescField {
  const field = method.input.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw refuse(method, "syntax_error", `there is no argument "${name}"`);
  return field;
}

function setField(method: DescMethod, request: ReflectMessage, field: DescField, text: string): void {
  const type = textType(field);
  const value = type?.parse(text);
  if (type === undefined || value === undefined) {
    const expects = type?.expects ?? "nothing that a command can hold";
    throw refuse(method, "invalid_parameter_value", `argument "${field.name}" takes ${expects}`);
  }
  if (field.fieldKind === "list") request.get(field).add(value);
  else request.set(field, value);
}

function refuse(
  method: DescMethod,
  code: "syntax_error" | "invalid_parameter_value",
  text: string,
): NeonError {
  return new NeonError(code, text, { hint: `Usage: ${commandUsage(method)}` });
}
