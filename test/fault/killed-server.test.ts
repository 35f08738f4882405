import test from "ava";
import { createPostgres, type TestPostgres } from "../../scripts/support/postgres.js";
import { neon, spawnNeon, temporaryRepository } from "../cli/support/neon.js";
import { assertHolds, eventually, segments, slots, startServer } from "./support/repository.js";
import { stallingProxy } from "./support/stalling-proxy.js";

let postgres: TestPostgres;

test.before(async () => {
  postgres = await createPostgres({ major: 15 });
  // Text that does not compress: more than the proxies pass on, whatever the codec makes of the rest.
  await postgres.query("create table noise as select md5(i::text) from generate_series(1, 60000) i");
});

test.after.always(() => postgres?.remove());

test.serial(
  "kill -9 of the page server in the middle of an import leaves nothing, and a retry works",
  async (t) => {
    const directory = await temporaryRepository(t);
    const { pid } = await startServer(directory);
    const proxy = await stallingProxy(t, postgres.port, 8_000_000);
    const importing = spawnNeon(
      directory,
      "import",
      "main",
      `postgresql://postgres@127.0.0.1:${proxy.port}/`,
    );
    await proxy.stalled;
    t.is(await slots(postgres), 1);
    // The server answers meanwhile, and what is half there does not show.
    t.is((await neon(directory, "branch", "list", "--json")).stdout, "[]\n");

    process.kill(pid, "SIGKILL");
    const { status, stderr } = await importing.outcome;
    t.is(status, 1);
    t.regex(stderr, /^neon: /);
    t.true(await eventually(async () => (await slots(postgres)) === 0));
    t.true((await segments(directory)).length > 0, "it died with frames on disk");
    await assertHolds(t, directory, []);
    t.is((await neon(directory, "import", "main", postgres.uri)).status, 0);
    await assertHolds(t, directory, ["main"]);
  },
);

test.serial(
  "kill -9 of either page server in the middle of a push leaves nothing, and a retry works",
  async (t) => {
    const [here, there] = [await temporaryRepository(t), await temporaryRepository(t)];
    t.is((await neon(here, "import", "main", postgres.uri)).status, 0);
    for (const victim of ["sender", "receiver"] as const) {
      const servers = { sender: await startServer(here), receiver: await startServer(there) };
      const proxy = await stallingProxy(t, servers.receiver.port, 2_000_000);
      const uri = `postgresql://127.0.0.1:${proxy.port}/`;
      const pushing = spawnNeon(here, "push", "main", uri, "--json");
      await proxy.stalled;
      t.true(await eventually(async () => (await segments(there)).length > 0), "frames have arrived");
      t.is((await neon(there, "branch", "list", "--json")).stdout, "[]\n");

      process.kill(servers[victim].pid, "SIGKILL");
      const { status, stdout, stderr } = await pushing.outcome;
      t.is(status, 1, victim);
      t.is(stdout, "");
      t.regex(JSON.parse(stderr).error.sqlstate, /^(08|57P)/, stderr);
      await assertHolds(t, there, []);
      await assertHolds(t, here, ["main"]);
      await neon(here, "stop", "--now");
      await neon(there, "stop", "--now");
    }
    const { port } = await startServer(there);
    t.is((await neon(here, "push", "main", `postgresql://127.0.0.1:${port}/`)).status, 0);
    await assertHolds(t, there, ["main"]);
  },
);

test.serial("Ctrl-C in the middle of an import and of a push leaves nothing at either end", async (t) => {
  const [here, there] = [await temporaryRepository(t), await temporaryRepository(t)];
  const { port } = await startServer(there);
  const slow = await stallingProxy(t, postgres.port, 8_000_000);
  const importing = spawnNeon(here, "import", "main", `postgresql://postgres@127.0.0.1:${slow.port}/`);
  await slow.stalled;
  importing.child.kill("SIGINT");
  const { status, stderr } = await importing.outcome;
  t.is(status, 130);
  t.regex(stderr, /^neon: canceled\nhint: Nothing is kept of it\. Import again\.\n$/m);
  t.true(await eventually(async () => (await slots(postgres)) === 0));
  await assertHolds(t, here, []);

  t.is((await neon(here, "import", "main", postgres.uri)).status, 0);
  const proxy = await stallingProxy(t, port, 2_000_000);
  const pushing = spawnNeon(here, "push", "main", `postgresql://127.0.0.1:${proxy.port}/`);
  await proxy.stalled;
  pushing.child.kill("SIGINT");
  t.is((await pushing.outcome).status, 130);
  await assertHolds(t, there, []);
  await assertHolds(t, here, ["main"]);
});
