import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import { PageServerService, type Progress } from "../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { NeonError } from "../../src/errors.js";
import { call, callStream } from "../../src/server/call.js";
import { temporaryServer } from "../support/temporary-server.js";

const commands = PageServerService.method;

test("a branch is pushed to an origin, then found up to date, then refused where another stands", async (t) => {
  const here = await temporaryServer({ branches: ["main", "second"] });
  t.teardown(here.remove);
  const there = await temporaryServer();
  t.teardown(there.remove);
  const connection = await here.connect();
  await call(connection, commands.originAdd, { name: "cloud", uri: there.uri });
  const steps: Progress[] = [];
  const onProgress = (progress: Progress) => steps.push(progress);
  const pushed = await call(
    connection,
    commands.performPush,
    { branch: "main", uri: "cloud" },
    { onProgress },
  );
  t.is(pushed.decision, Decision.CREATE);
  t.is(pushed.frames, 6n);
  t.true(
    steps.length > 0 &&
      steps.every(({ phase, totalBytes }) => phase === "push" && totalBytes === pushed.bytes),
  );
  const again = await call(connection, commands.performPush, { branch: "main", uri: there.uri });
  t.is(again.decision, Decision.UP_TO_DATE);
  t.is(again.frames, 0n);
  t.deepEqual(again.head, pushed.head);
  const other = { branch: "second", uri: "cloud", destinationBranch: "main" };
  await t.throwsAsync(call(connection, commands.performPush, other), {
    code: "object_not_in_prerequisite_state",
  });
  const far = await there.connect();
  const shown = await call(far, commands.branchShow, { branch: "main" });
  t.deepEqual(shown.head, (await call(connection, commands.branchShow, { branch: "main" })).head);
  await far.close();
  await connection.close();
});

test("a page server can push to itself under another name", async (t) => {
  const { connect: open, uri, remove } = await temporaryServer({ branches: ["main"] });
  t.teardown(remove);
  const connection = await open();
  const copied = await call(connection, commands.performPush, {
    branch: "main",
    uri,
    destinationBranch: "copy",
  });
  t.is(copied.decision, Decision.CREATE);
  t.is((await call(connection, commands.performPush, { branch: "main", uri })).decision, Decision.UP_TO_DATE);
  t.deepEqual(
    (await callStream(connection, commands.branchList, {})).map(({ name }) => name),
    ["copy", "main"],
  );
  await connection.close();
});

test("a pull of a branch that is damaged there says where to look", async (t) => {
  const [here, there] = [await temporaryServer(), await temporaryServer({ branches: ["main"] })];
  t.teardown(here.remove);
  t.teardown(there.remove);
  const segments = join(there.directory, "store", "segments");
  const [name = ""] = await readdir(segments);
  const bytes = await readFile(join(segments, name));
  bytes[bytes.length >> 1] ^= 1;
  await writeFile(join(segments, name), bytes);
  const connection = await here.connect();
  const error = await t.throwsAsync<NeonError>(
    call(connection, commands.performPull, { branch: "main", uri: there.uri }),
  );
  t.is(error?.sqlstate, "XX001");
  t.regex(error?.hint ?? "", /^neon verify at the page server that sent it /);
  await connection.close();
});

test("a cancelled command ends with 57014", async (t) => {
  const here = await temporaryServer({ branches: ["main"] });
  t.teardown(here.remove);
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.teardown(() => silent.close());
  const { port } = silent.address() as { port: number };
  const connection = await here.connect();
  const abort = new AbortController();
  const pushing = call(
    connection,
    commands.performPush,
    { branch: "main", uri: `postgresql://127.0.0.1:${port}/` },
    { signal: abort.signal },
  );
  setTimeout(() => abort.abort(), 200);
  await t.throwsAsync(pushing, { code: "query_canceled" });
  t.is((await callStream(connection, commands.branchList, {})).length, 1);
  await connection.close();
});
