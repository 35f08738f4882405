import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import type { NeonError } from "../../src/errors.js";
import { formatRedactedCommand } from "../../src/server/command/format-command.js";
import { openLog } from "../../src/server/log.js";
import { temporaryServer } from "../support/temporary-server.js";

const COMMANDS = [
  "origin_add cloud postgresql://u:hunter2@127.0.0.1:1/",
  "origin_add cloud postgresql://u:hunter2@127.0.0.1:1/",
  "origin_add postgresql://u:hunter2@h/ cloud",
  "origin_add name='postgresql://u:hunter2@h/' uri=x",
  "origin_add other host=h password=hunter2",
  "origin_add other 'host=h password=hunter2'",
  "origin_add other postgresql://u:hunter2@h/ too-much-hunter2",
  "origin_add other 'postgresql://u:hunter2",
  "origin_list",
  "origin_remove postgresql://u:hunter2@h/",
  "perform_push main cloud",
  "perform_push main postgresql://u:hunter2@127.0.0.1:1/?password=hunter2",
  "perform_push main u:hunter2@h",
  "perform_push main hunter2@h",
  "perform_push main password=hunter2",
  "perform_push postgresql://u:hunter2@h/ main",
  "perform_push main 'postgresql://u:hunt hunter2@h/'",
  "perform_push main postgresql://u:hunter2@h/ progress=hunter2",
  "perform_import new postgresql://u:hunter2@127.0.0.1:1/",
  "perform_import new postgresql://u:hunter2@[zz/",
  "perform_import u:hunter2@h new",
  "branch_show u:hunter2@h",
  "perform_import postgresql://u:hunter2@h/ new",
  "user_add bob hunter2",
  "user_add bob 'hunter2 hunter2'",
  "user_add bob hunter2 hunter2",
  "user_add u:hunter2@h SCRAM-SHA-256$1:a$b:c",
  "user_add bob 'SCRAM-SHA-256$4096:hunter2'",
  "user_remove postgresql://u:hunter2@h/",
  "hunter2 a",
  "'hunter2'",
  "SET password = 'hunter2'",
  "branch_list; hunter2",
];

test("no password reaches the log, a listing or an error", async (t) => {
  const { connect, logged, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const connection = await connect();
  for (const command of COMMANDS) {
    const answer = await connection
      .query(command)
      .catch(({ message, hint, detail }: NeonError) => [message, hint, detail]);
    t.false(JSON.stringify(answer).includes("hunter2"), command);
  }
  await connection.close();
  t.true(logged.length >= COMMANDS.length - 1);
  for (const line of logged) t.false(line.includes("hunter2"), line);
});

test("a logged command leaves out what the schema marks as secret, and nothing else", (t) => {
  const request = { branch: "main", uri: "postgresql://u:hunter2@h/", destinationBranch: "o" };
  t.is(
    formatRedactedCommand(PageServerService.method.performPush, request),
    "perform_push main [redacted] destination_branch=o",
  );
});

test("every request field that holds a URI is marked as secret in the schema", (t) => {
  const fields = PageServerService.methods.flatMap((method) => method.input.fields);
  const uris = fields.filter((field) => /uri|password|verifier|secret/.test(field.name));
  t.true(uris.length >= 3);
  for (const field of uris) t.true(field.proto.options?.debugRedact, field.toString());
});

test("the log file is private and holds a JSON object a line", async (t) => {
  const directory = await createTemporaryDirectory("neon-log-");
  t.teardown(() => directory.remove());
  const path = join(directory.path, "log");
  for (const text of ["first", "second"]) {
    const log = await openLog(path);
    log.info({ n: 1 }, text);
  }
  t.is((await stat(path)).mode & 0o777, 0o600);
  const lines = (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.deepEqual(
    lines.map(({ msg, n }) => [msg, n]),
    [
      ["first", 1],
      ["second", 1],
    ],
  );
});
