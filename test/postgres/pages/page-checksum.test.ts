import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { createPostgres, POSTGRES_MAJORS } from "../../../scripts/support/postgres.js";
import { pageChecksum } from "../../../src/postgres/pages/page-checksum.js";

const PAGE = 8192;

for (const major of POSTGRES_MAJORS) {
  test.serial(
    `every page of a Postgres ${major} with data checksums has the checksum that is calculated`,
    async (t) => {
      const postgres = await createPostgres({
        major,
        initdb: ["--data-checksums"],
        settings: { fsync: "off" },
      });
      t.teardown(postgres.remove);
      await postgres.query(
        "create table t as select i, repeat(md5(i::text), 3) from generate_series(1, 20000) i",
      );
      await postgres.stop();
      const [[directory]] = [
        readdirSync(join(postgres.dataDir, "base"))
          .sort((a, b) => Number(a) - Number(b))
          .slice(-1),
      ];
      const path = join(postgres.dataDir, "base", directory as string);
      let pages = 0;
      for (const name of readdirSync(path).filter((name) => /^\d+(_\w+)?$/.test(name))) {
        const bytes = readFileSync(join(path, name));
        for (let offset = 0; offset < bytes.length; offset += PAGE) {
          const page = bytes.subarray(offset, offset + PAGE);
          if (page.every((byte) => byte === 0)) continue;
          pages++;
          const before = Buffer.from(page);
          if (pageChecksum(page, offset / PAGE) !== page.readUInt16LE(8))
            t.fail(`${name}, block ${offset / PAGE}`);
          if (!page.equals(before)) t.fail("the page was changed");
        }
      }
      t.true(pages > 1000);
    },
  );
}

test("the checksum depends on the block number and on every byte but its own field", (t) => {
  const page = Buffer.alloc(PAGE, 0x11);
  const sum = pageChecksum(page, 0);
  t.true(sum >= 1 && sum <= 65535);
  t.not(pageChecksum(page, 131072), sum);
  const blind = Array.from({ length: PAGE }, (_, i) => i).filter((i) => {
    page[i] = 0x12;
    const same = pageChecksum(page, 0) === sum;
    page[i] = 0x11;
    return same;
  });
  t.deepEqual(blind, [8, 9]);
});
