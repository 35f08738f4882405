import { type DescField, type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { copy_both } from "../../../gen/neon/pageserver/v1/options_pb.js";
import { PageServerService } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";

const METHODS = new Map<string, DescMethod>(
  PageServerService.methods.map((method) => [commandName(method), method]),
);

/** Name of the command that calls a method: `BranchList` is `branch_list`. */
export function commandName(method: DescMethod): string {
  return method.name.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/** Every command's method, in the schema's order. */
export function listCommands(): readonly DescMethod[] {
  return PageServerService.methods;
}

/** Finds the method of a command. Throws 42883 with the nearest command as a hint. */
export function requireCommand(name: string): DescMethod {
  const method = METHODS.get(name);
  if (method !== undefined) return method;
  const nearest = nearestName(name.toLowerCase(), [...METHODS.keys()]);
  throw new NeonError("undefined_function", "there is no such command here", {
    hint:
      nearest === undefined
        ? "command_list lists the commands."
        : `Perhaps you meant "${nearest}". command_list lists the commands.`,
  });
}

/** Whether a method switches the connection to CopyBoth. */
export function isCopyBoth(method: DescMethod): boolean {
  return hasOption(method, copy_both) && getOption(method, copy_both);
}

/** Fields of a request that words without a name fill, in their order: the singular non-optional ones. */
export function positionalFields(method: DescMethod): DescField[] {
  return sortedFields(method).filter((field) => !isNamedOnly(field));
}

/** Fields of a request that are given by name only. */
export function namedFields(method: DescMethod): DescField[] {
  return sortedFields(method).filter(isNamedOnly);
}

/** How a command is written: `perform_push <branch> <uri> [destination_branch=…] [progress=…]`. */
export function commandUsage(method: DescMethod): string {
  const words = positionalFields(method).map((field) => ` <${field.name}>`);
  const named = namedFields(method).map((field) =>
    field.fieldKind === "list" ? ` [${field.name}=…]…` : ` [${field.name}=…]`,
  );
  return [commandName(method), ...words, ...named].join("");
}

function sortedFields(method: DescMethod): DescField[] {
  return [...method.input.fields].sort((a, b) => a.number - b.number);
}

function isNamedOnly(field: DescField): boolean {
  return field.fieldKind === "list" || field.proto.proto3Optional;
}

/** The candidate with the fewest edits, if they are few enough to be a slip of the pen. */
function nearestName(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: editDistance(name, candidate) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, name.length / 3) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const row = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (previous[j] as number) + (a[i] === b[j] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j + 1] as number) + 1, (row[j] as number) + 1));
    }
    previous = row;
  }
  return previous[b.length] as number;
}
