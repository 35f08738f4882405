import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { SessionMessageSchema } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { NeonError } from "../../src/errors.js";
import {
  commandName,
  commandUsage,
  isCopyBoth,
  positionalFields,
} from "../../src/server/command/commands.js";
import { describeRow } from "../../src/server/command/row.js";
import { textType } from "../../src/server/command/text-type.js";
import { HANDLERS } from "../../src/server/handlers.js";
import { temporaryServer } from "../support/temporary-server.js";

test("every method of the schema has a handler, and no handler is left over", (t) => {
  t.deepEqual(
    Object.keys(HANDLERS).sort(),
    PageServerService.methods.map((method) => method.localName).sort(),
  );
});

test("copy_both methods are those whose messages are the session's", (t) => {
  for (const method of PageServerService.methods) {
    t.is(isCopyBoth(method), method.output.typeName === SessionMessageSchema.typeName, method.name);
  }
});

test("every response has columns of distinct names", (t) => {
  for (const method of PageServerService.methods.filter((candidate) => !isCopyBoth(candidate))) {
    const names = describeRow(method.output).map(({ name }) => name);
    t.is(new Set(names).size, names.length, method.name);
    t.true(names.length > 0, method.name);
  }
});

for (const method of PageServerService.methods) {
  test(`${commandName(method)} reaches its handler, and refuses an argument that it does not have`, async (t) => {
    const { connect, remove } = await temporaryServer({ branches: ["main"] });
    t.teardown(remove);
    const connection = await connect();
    const refused = (await t.throwsAsync(connection.query(`${commandName(method)} nothing=x`))) as NeonError;
    t.is(refused.sqlstate, "42601");
    t.is(refused.hint, `Usage: ${commandUsage(method)}`);
    const words = positionalFields(method).map((field) => (textType(field)?.oid === 17 ? "00" : "a..b"));
    const command = [commandName(method), ...words].join(" ");
    if (words.length === 0) {
      const [result] = await connection.query(command);
      t.deepEqual(result.fields, describeRow(method.output));
      t.is(result.command, `SELECT ${result.rows.length}`);
    } else {
      // a..b names no branch, no origin, no user that is there, and is no URI: only the handler can know.
      const error = (await t.throwsAsync(connection.query(command))) as NeonError;
      t.true(["22023", "42602", "42704"].includes(error.sqlstate), error.message);
      t.not(error.hint, `Usage: ${commandUsage(method)}`);
    }
    await connection.close();
  });
}
