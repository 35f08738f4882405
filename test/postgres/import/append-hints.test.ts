import test from "ava";
import { NeonError } from "../../../src/errors.js";
import { formatLsn } from "../../../src/lsn.js";
import { importBranch } from "../../../src/postgres/import/import-branch.js";
import { toyServer } from "../../pgwire/toy-server.js";
import { importedBranch } from "../../support/wal-chain.js";
import { openStore } from "./open-store.js";

const ENDS: [sqlstate: string, code: "admin_shutdown" | "connection_failure" | "internal_error"][] = [
  ["57P01", "admin_shutdown"],
  ["57P02", "internal_error"],
  ["08006", "connection_failure"],
];

for (const [sqlstate, code] of ENDS) {
  test(`${sqlstate}: what is kept is told, also where the branch is there already`, async (t) => {
    const server = await toyServer(
      t,
      async () => {
        throw new NeonError(code, "the end", { sqlstate });
      },
      { parameters: { server_version: "15.18" } },
    );
    const store = await openStore(t);
    const { branch } = await importedBranch(store, "main");
    const append = importBranch({ store, branch: "main", uri: server.uri });
    const appended = (await t.throwsAsync(append, { message: /the end/ })) as NeonError;
    const stands = `Branch "main" stands at ${formatLsn(branch.head.lsn)}; import again to go on from there.`;
    t.true(appended.hint?.endsWith(` ${stands}`), appended.hint);
    t.is(appended.sqlstate, sqlstate);
    const create = importBranch({ store, branch: "new", uri: server.uri });
    const created = (await t.throwsAsync(create, { message: /the end/ })) as NeonError;
    t.true(created.hint?.endsWith(" Nothing was kept; import again."), created.hint);
  });
}
