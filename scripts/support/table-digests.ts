import type { TestPostgres } from "./postgres.js";

/** Row count and a hash over the ordered rows of one table. */
export interface TableDigest {
  readonly rows: number;
  readonly hash: string;
}

/** Digests of every table of every database but templates, and of the large objects, by `database.schema.table`. */
export async function tableDigests(postgres: TestPostgres): Promise<Map<string, TableDigest>> {
  const digests = new Map<string, TableDigest>();
  const databases = await postgres.query(
    "select datname from pg_database where datallowconn and not datistemplate order by 1",
  );
  for (const [database = ""] of databases) {
    for (const [table = ""] of await postgres.query(TABLES, database)) {
      const [[rows, hash] = []] = await postgres.query(digestQuery(table), database);
      digests.set(`${database}.${table}`, { rows: Number(rows), hash: hash ?? "" });
    }
  }
  return digests;
}

// A partitioned table has no rows of its own, an unlogged one is empty after recovery by design.
const TABLES = `
  select format('%I.%I', nspname, relname)
  from pg_class join pg_namespace n on n.oid = relnamespace
  where relkind in ('r', 'm') and relpersistence = 'p'
    and (nspname !~ '^pg_' and nspname <> 'information_schema' or relname = 'pg_largeobject')
  order by 1`;

function digestQuery(table: string): string {
  return `
    select count(*), coalesce(md5(string_agg(row_hash, '' order by row_hash)), '')
    from (select md5(t::text) as row_hash from ${table} t) rows`;
}
