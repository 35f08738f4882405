import test from "ava";
import { createPostgres, createStandby } from "../../../scripts/support/postgres.js";
import { connect } from "../../../src/pgwire/connect.js";
import { WalStream } from "../../../src/postgres/replication/start-replication.js";
import { timelineHistory } from "../../../src/postgres/replication/timeline-history.js";
import { parseTimelines } from "../../../src/postgres/timelines.js";
import { until } from "../import/append-fixture.js";

test("a stream that starts at its timeline's end is empty, and tells the next one", async (t) => {
  const primary = await createPostgres({ major: 15, settings: { fsync: "off" } });
  t.teardown(() => primary.remove());
  const standby = await createStandby(primary);
  t.teardown(() => standby.remove());
  await standby.promote();
  await until(standby, "not pg_is_in_recovery()");
  const connection = await connect({ uri: standby.uri, replication: true });
  const timelines = parseTimelines(2, await timelineHistory(connection, 2));
  t.deepEqual(
    timelines.map(({ id }) => id),
    [1, 2],
  );
  const lsn = timelines[1]?.begin ?? 0n;
  const stream = await WalStream.start(connection, { slot: undefined, lsn, timelineId: 1, heldUntil: lsn });
  await stream.report(lsn);
  for await (const message of stream.read()) t.fail(message.type);
  t.deepEqual(await stream.finish(), { timelineId: 2, lsn });
  t.is((await connection.query("IDENTIFY_SYSTEM")).length, 1);
  await connection.close();
});
