import test from "ava";
import { BufferPool } from "../src/buffer-pool.js";

const MiB = 1024 * 1024;

test("memory that was given back is taken again, by a length that it fits", (t) => {
  const pool = new BufferPool(8 * MiB);
  const first = pool.take(MiB);
  pool.give(first);
  t.not(pool.take(2 * MiB).buffer, first.buffer, "too short");
  t.not(pool.take(100_000).buffer, first.buffer, "so long that most of it would be idle");
  const second = pool.take(MiB - 1000);
  t.is(second.buffer, first.buffer);
  t.is(second.length, MiB - 1000);
});

test("memory is never in two hands", (t) => {
  const pool = new BufferPool(8 * MiB);
  const kept = [pool.take(MiB), pool.take(MiB)];
  pool.give(pool.take(MiB));
  const later = [pool.take(MiB), pool.take(MiB), pool.take(MiB)];
  t.is(new Set([...kept, ...later].map(({ buffer }) => buffer)).size, 5);
});

test("a short buffer is no part of the pool, and neither is memory that it shares", (t) => {
  const pool = new BufferPool(8 * MiB);
  const short = pool.take(100);
  pool.give(short);
  t.not(pool.take(100).byteOffset, short.byteOffset);
});

test("no more is kept than the limit", (t) => {
  const pool = new BufferPool(3 * MiB);
  const buffers = [1, 2, 3, 4].map(() => pool.take(MiB));
  for (const buffer of buffers) pool.give(buffer);
  const again = new Set([1, 2, 3, 4].map(() => pool.take(MiB).buffer));
  t.is(buffers.filter(({ buffer }) => again.has(buffer)).length, 3);
});
