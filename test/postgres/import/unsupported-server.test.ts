import test, { type ExecutionContext } from "ava";
import { NeonError } from "../../../src/errors.js";
import { listen } from "../../../src/pgwire/listener.js";
import { importCluster } from "../../../src/postgres/import/import-cluster.js";
import { openStore } from "./open-store.js";

const SUPPORTED: Record<string, string> = {
  server_version_num: "150018",
  block_size: "8192",
  wal_block_size: "8192",
  wal_segment_size: "16MB",
  segment_size: "1GB",
};

/** The refusal of a server that answers SHOW with other settings; no such Postgres is at hand. */
async function refusal(t: ExecutionContext, settings: Record<string, string>, version = "15.18") {
  const asked: string[] = [];
  const server = await listen({
    port: 0,
    parameters: { server_version: version },
    handler: {
      async query(sql, reply) {
        asked.push(sql);
        const value = { ...SUPPORTED, ...settings }[sql.replace("SHOW ", "")];
        if (value === undefined) throw new NeonError("undefined_function", `unknown command: ${sql}`);
        reply.rowDescription([{ name: "value", dataTypeID: 25 }]);
        await reply.dataRow([value]);
        reply.commandComplete("SHOW");
      },
    },
  });
  t.teardown(() => server.destroy());
  const store = await openStore(t);
  const uri = `postgresql://postgres@${server.addresses[0]}/`;
  const error = await t.throwsAsync(importCluster({ store, branch: "main", uri }), { instanceOf: NeonError });
  t.false(asked.some((sql) => sql.startsWith("CREATE_REPLICATION_SLOT")));
  return error;
}

for (const version of ["130021", "190000", "90624"]) {
  test(`server_version_num ${version} is refused with the versions that are supported`, async (t) => {
    const error = await refusal(t, { server_version_num: version });
    t.is(error?.sqlstate, "0A000");
    t.regex(error?.hint ?? "", /14 to 18/);
  });
}

for (const name of ["block_size", "wal_block_size"]) {
  test(`a ${name} other than 8192 is refused`, async (t) => {
    const error = await refusal(t, { [name]: "4096" });
    t.is(error?.sqlstate, "0A000");
    t.regex(error?.message ?? "", new RegExp(`${name} of 4096`));
    t.regex(error?.hint ?? "", /8192/);
  });
}

test("a page server is refused", async (t) => {
  const error = await refusal(t, {}, "14.0 (neon 0.1.0)");
  t.is(error?.sqlstate, "0A000");
  t.regex(error?.message ?? "", /page server/);
});
