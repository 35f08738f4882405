import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { findTool } from "../../scripts/support/postgres.js";
import { NeonError } from "../../src/errors.js";
import type { ServerHandler } from "../../src/pgwire/listener.js";
import { type ToyServer, toyServer } from "./toy-server.js";

const psql = findTool("psql");
const testWithPsql = psql === undefined ? test.skip : test;

const toy: ServerHandler["query"] = async (sql, reply, _connection, signal) => {
  switch (sql) {
    case "branch_list":
      reply.notice({ severity: "INFO", code: "00000", message: "looking", detail: "closely" });
      reply.rowDescription([
        { name: "name", dataTypeID: 25 },
        { name: "bytes", dataTypeID: 20 },
      ]);
      await reply.dataRow(["main", "12345"]);
      await reply.dataRow(["Zweig-ä", null]);
      return reply.commandComplete("SELECT 2");
    case "hang":
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    case "":
      return reply.emptyQuery();
    case "copy":
      reply.copyBoth();
      return reply.commandComplete("COPY");
    default:
      throw new NeonError("undefined_function", `There is no command "${sql}"`, {
        hint: "Try command_list.",
      });
  }
};

/** Runs psql against the TCP port; what it says on both outputs, and its exit status. */
async function run(server: ToyServer, args: string[], input = "", interruptAfterMs = 0) {
  const target = `${server.uri}?connect_timeout=10`;
  const child = spawn(psql as string, ["-X", target, ...args], {
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  child.stdin.end(input);
  if (interruptAfterMs > 0) sleep(interruptAfterMs).then(() => child.kill("SIGINT"));
  const status = await new Promise((resolve) => child.on("close", resolve));
  return { status, output };
}

testWithPsql("psql prints a table, and notices before it", async (t) => {
  const server = await toyServer(t, toy);
  const { status, output } = await run(server, ["-c", "branch_list"]);
  t.is(status, 0);
  t.is(
    output,
    [
      "INFO:  looking",
      "DETAIL:  closely",
      "  name   | bytes ",
      "---------+-------",
      " main    | 12345",
      " Zweig-ä |      ",
      "(2 rows)",
      "",
      "",
    ].join("\n"),
  );
});

testWithPsql("psql shows an error with its hint and goes on with the next command", async (t) => {
  const server = await toyServer(t, toy);
  const { status, output } = await run(server, ["-At"], "nonsense;\nbranch_list;\n");
  t.is(status, 0);
  t.regex(output, /ERROR: {2}There is no command "nonsense;?"\nHINT: {2}Try command_list\.\n/);
});

testWithPsql("psql's Control-C cancels the command", async (t) => {
  const server = await toyServer(t, toy);
  const { status, output } = await run(server, ["-c", "hang"], "", 500);
  t.is(status, 1);
  t.regex(output, /ERROR: {2}the command was cancelled by its client/);
});

testWithPsql("psql survives a CopyBoth, which it cannot speak", async (t) => {
  const server = await toyServer(t, toy);
  const { status, output } = await run(server, ["-c", "copy"]);
  t.is(status, 1);
  t.regex(output, /unexpected PQresultStatus: 8/);
});
