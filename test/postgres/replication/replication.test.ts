import test from "ava";
import { createPostgres, POSTGRES_MAJORS, type TestPostgres } from "../../../scripts/support/postgres.js";
import { type Connection, connect } from "../../../src/pgwire/connect.js";
import {
  type BaseBackupEvent,
  baseBackup,
  formatBaseBackup,
} from "../../../src/postgres/replication/base-backup.js";
import { createTemporarySlot } from "../../../src/postgres/replication/create-replication-slot.js";
import { identifySystem } from "../../../src/postgres/replication/identify-system.js";
import { parseBytes, show, showBytes } from "../../../src/postgres/replication/show.js";
import { formatStandbyStatusUpdate } from "../../../src/postgres/replication/standby-status-update.js";
import { WalStream } from "../../../src/postgres/replication/start-replication.js";

const majors = POSTGRES_MAJORS;
const servers = new Map<number, TestPostgres>();

test.before(async () => {
  for (const major of majors)
    servers.set(major, await createPostgres({ major, initdb: ["--wal-segsize=1"] }));
});
test.after.always(async () => {
  for (const server of servers.values()) await server.remove();
});

async function withConnection<T>(
  major: number,
  use: (connection: Connection, server: TestPostgres) => Promise<T>,
) {
  const server = servers.get(major) as TestPostgres;
  const connection = await connect({ uri: server.uri, replication: true });
  try {
    return await use(connection, server);
  } finally {
    await connection.close();
  }
}

for (const major of majors) {
  test.serial(`${major}: IDENTIFY_SYSTEM and SHOW say which cluster it is and how it was built`, (t) =>
    withConnection(major, async (connection, server) => {
      const identity = await identifySystem(connection);
      const [[systemIdentifier]] = await server.query("select system_identifier from pg_control_system()");
      t.is(String(identity.systemIdentifier), systemIdentifier);
      t.is(identity.timelineId, 1);
      t.is(Math.floor(Number(await show(connection, "server_version_num")) / 10_000), major);
      t.is(await showBytes(connection, "block_size"), 8192);
      t.is(await showBytes(connection, "wal_segment_size"), 1024 * 1024);
      t.is(await showBytes(connection, "segment_size"), 1024 * 1024 * 1024);
    }),
  );

  test.serial(`${major}: BASE_BACKUP comes as start, archive, data, stop, in this version's syntax`, (t) =>
    withConnection(major, async (connection, server) => {
      const types: BaseBackupEvent["type"][] = [];
      let bytes = 0;
      for await (const event of baseBackup(connection, { label: "a test", majorVersion: major })) {
        if (event.type !== types.at(-1)) types.push(event.type);
        if (event.type === "data") bytes += event.data.length;
        if (event.type === "start" || event.type === "stop") {
          t.is(event.position.timelineId, 1);
          t.true(event.position.lsn > 0n);
        }
      }
      t.deepEqual(types, ["start", "archive", "data", "stop"]);
      const [[databases]] = await server.query("select sum(pg_database_size(oid)) from pg_database");
      t.true(bytes > 0.9 * Number(databases), `${bytes} of about ${databases}`);
      t.is((await identifySystem(connection)).timelineId, 1, "the connection can be used again");
    }),
  );

  test.serial(
    `${major}: WAL streams from a temporary slot, which a later start moves and the connection's end drops`,
    (t) =>
      withConnection(major, async (connection, server) => {
        const slot = await createTemporarySlot(connection, "neon_test");
        const slots = "select restart_lsn::text, temporary::text from pg_replication_slots";
        const [[restart, temporary]] = await server.query(slots);
        t.is(temporary, "true");
        const { flushLsn } = await identifySystem(connection);
        const start = flushLsn - (flushLsn % 1_048_576n);
        const stream = await WalStream.start(connection, { slot, lsn: start, timelineId: 1 });
        let end = start;
        for await (const message of stream.read()) {
          if (message.type !== "wal") continue;
          t.is(message.lsn, end);
          end += BigInt(message.data.length);
          if (end >= flushLsn) await stream.end();
        }
        await stream.finish();
        t.true(end >= flushLsn);
        await stream.finish();
        const unmoved = await server.query(slots);
        t.is(unmoved[0]?.[0], restart);
        const again = await WalStream.start(connection, { slot, lsn: end, timelineId: 1, heldUntil: end });
        await again.end();
        for await (const _ of again.read());
        await again.finish();
        const [[moved]] = await server.query(slots);
        t.not(moved, restart);
        await connection.close();
        t.deepEqual(await server.query(slots), []);
      }),
  );

  test.serial(`${major}: what the server refuses comes as its own error`, (t) =>
    withConnection(major, async (connection) => {
      const lsn = 0x1_0000_0000_0000n;
      await t.throwsAsync(WalStream.start(connection, { slot: "no_such_slot", lsn, timelineId: 1 }), {
        code: "undefined_object",
        message: /no_such_slot/,
      });
      const slot = await createTemporarySlot(connection, "neon_test");
      const stream = await WalStream.start(connection, { slot, lsn, timelineId: 1 });
      await t.throwsAsync(stream.read().next(), { message: /ahead of the WAL flush position/ });
      await t.throwsAsync(stream.finish(), { message: /ahead of the WAL flush position/ });
      await t.throwsAsync(show(connection, "no_such_setting"), { message: /no_such_setting/ });
    }),
  );
}

test("BASE_BACKUP never waits for the archive, in either syntax", (t) => {
  t.regex(formatBaseBackup("x", 14), /^BASE_BACKUP LABEL 'x'.* NOWAIT/);
  t.regex(formatBaseBackup("x", 15), /^BASE_BACKUP \(LABEL 'x'.*, WAIT false/);
});

test("sizes are read as SHOW writes them", (t) => {
  t.deepEqual(["8192", "16MB", "1GB", "64kB", "0"].map(parseBytes), [8192, 2 ** 24, 2 ** 30, 2 ** 16, 0]);
  for (const text of ["", "16 MB", "-1", "lots"])
    t.throws(() => parseBytes(text), { code: "protocol_violation" });
});

test("a standby status update has the manual's bytes", (t) => {
  const now = Date.UTC(2000, 0, 1, 0, 0, 1);
  const update = formatStandbyStatusUpdate({ writeLsn: 0x16_b374_d848n, flushLsn: 0x16_0000_0000n }, now);
  t.is(
    update.toString("hex"),
    ["72", "00000016b374d848", "0000001600000000", "0000001600000000", "00000000000f4240", "00"].join(""),
  );
});
