import type { TestPostgres } from "./postgres.js";

/** Fills two databases with some tens of megabytes: tables with indexes, a partitioned one, JSON, text, large objects. */
export async function fillDemoCluster(postgres: TestPostgres): Promise<void> {
  await postgres.query("create database shop");
  await postgres.query("create database archive");
  for (const statements of SHOP) await postgres.query(statements, "shop");
  await postgres.query(ARCHIVE, "archive");
}

const SHOP = [
  `create schema shop;
   create table shop.customer (id bigint primary key, name text not null, joined date not null, notes jsonb);
   insert into shop.customer
     select i, 'customer ' || md5(i::text), date '2020-01-01' + i % 1500, jsonb_build_object('vip', i % 7 = 0, 'n', i)
     from generate_series(1, 20000) i;
   create index on shop.customer (name);
   create index on shop.customer using gin (notes)`,
  `create table shop.orders (id bigint, customer bigint, placed date not null, amount numeric(10, 2))
     partition by range (placed);
   create table shop.orders_2023 partition of shop.orders for values from ('2023-01-01') to ('2024-01-01');
   create table shop.orders_2024 partition of shop.orders for values from ('2024-01-01') to ('2025-01-01');
   insert into shop.orders
     select i, 1 + i % 20000, date '2023-01-01' + i % 730, (i % 99991) / 100.0 from generate_series(1, 150000) i;
   create index on shop.orders (customer, placed)`,
  `create table shop.article (id int primary key, body text);
   insert into shop.article
     select i, (select string_agg(md5((i * 40 + j)::text), ' ') from generate_series(1, 40 + i % 100) j)
     from generate_series(1, 3000) i;
   update shop.article set body = body || ' (revised)' where id % 10 = 0;
   delete from shop.article where id % 17 = 0`,
  `select lo_from_bytea(50000, (select string_agg(sha256(i::text::bytea), '') from generate_series(1, 60000) i));
   select lo_from_bytea(50001, 'a small one')`,
  "create materialized view shop.turnover as select placed, sum(amount) as total from shop.orders group by placed",
];

const ARCHIVE = `
  create table event (at timestamptz, kind text, payload bytea);
  insert into event
    select timestamptz '2024-01-01 00:00Z' + i * interval '1 minute', 'kind ' || i % 5, sha256(i::text::bytea)
    from generate_series(1, 50000) i`;
