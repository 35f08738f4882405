import { type DescField, type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { copy_both } from "../../../gen/neon/pageserver/v1/options_pb.js";
import { PageServerService } from "../../../gen/neon/pageserver/v1/service_pb.js";
import { NeonError } from "../../errors.js";
import { nearestName } from "../../nearest-name.js";

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

/** What SQL statements begin with, where no command does. */
const SQL =
  /^(select|with|values|table|insert|update|delete|merge|create|alter|drop|truncate|copy|grant|revoke|explain|show|analyze|vacuum|declare|fetch|close|prepare|execute|deallocate|listen|notify|lock|do|call|discard|reset|checkpoint|comment|cluster|reindex|refresh|savepoint|release|abort)$/i;

/** Finds the method of a command. Throws 42883 with the nearest command as a hint, and says so where it is SQL. */
export function requireCommand(name: string): DescMethod {
  const method = METHODS.get(name);
  if (method !== undefined) return method;
  if (SQL.test(name)) {
    throw new NeonError("undefined_function", "this is a neon page server: it has commands, not SQL", {
      hint: "command_list lists the commands.",
    });
  }
  const nearest = nearestName(name.toLowerCase(), METHODS.keys());
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
