import { NeonError } from "../errors.js";
import type { Reply, ServerConnection } from "../pgwire/listener.js";
import { requireCommand } from "./command/commands.js";
import { formatRedactedCommand } from "./command/format-command.js";
import { parseStatement } from "./command/grammar.js";
import { parseRequest } from "./command/request.js";
import { logDone } from "./command-log.js";
import { maskPasswords } from "./connection-uri.js";
import type { ServerContext } from "./context.js";
import { dispatch } from "./dispatch.js";

/**
 * Answers one Query. Throws NeonErrors only, without passwords in their texts.
 *
 * The log gets the command with its secrets left out. Text that is no valid command is never logged, since nobody can
 * say what in it is secret; neither are the messages of such errors.
 */
export async function answerQuery(
  server: ServerContext,
  sql: string,
  reply: Reply,
  connection: ServerConnection,
  signal: AbortSignal,
): Promise<void> {
  const begin = performance.now();
  const facts: Record<string, unknown> = { remote: connection.remote };
  try {
    const statement = parseStatement(sql, requireCommand);
    if (statement.kind === "empty") return reply.emptyQuery();
    if (statement.kind === "ignored") return reply.commandComplete(statement.tag);
    const method = requireCommand(statement.name);
    const request = parseRequest(method, statement.words);
    // A URI may stand in the place of another argument, which no schema marks as secret.
    facts.command = maskPasswords(formatRedactedCommand(method, request));
    await dispatch(server, method, request, reply, signal, facts);
    facts.milliseconds = Math.round(performance.now() - begin);
    logDone(server.log, connection, facts);
  } catch (thrown) {
    const error = withoutSecrets(signal.aborted ? NeonError.from(signal.reason) : NeonError.from(thrown));
    logFailure(server, facts, error, thrown);
    throw error;
  }
}

function logFailure(
  server: ServerContext,
  facts: Record<string, unknown>,
  error: NeonError,
  thrown: unknown,
): void {
  facts.sqlstate = error.sqlstate;
  if (facts.command !== undefined) facts.message = error.message;
  if (error.code === "internal_error") {
    if (thrown instanceof Error) facts.stack = maskPasswords(thrown.stack ?? "");
    server.log.error(facts, "command failed");
  } else {
    server.log.info(facts, "command failed");
  }
}

/** The same error with the passwords in its texts masked: what a library or another server said can hold a URI. */
function withoutSecrets(error: NeonError): NeonError {
  const { code, message, hint, detail, sqlstate, party, retryable, cause } = error;
  return new NeonError(code, maskPasswords(message), {
    hint: hint && maskPasswords(hint),
    detail: detail && maskPasswords(detail),
    sqlstate,
    party,
    retryable,
    cause,
  });
}
