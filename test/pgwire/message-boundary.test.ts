import test from "ava";
import fc from "fast-check";
import { MessageBoundary } from "../../src/pgwire/message-boundary.js";
import { int32, message } from "./raw-client.js";

test("a stream of messages stands between two of them exactly where one ends", (t) => {
  const bodies = fc.array(fc.nat(20), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(bodies, fc.array(fc.nat(12), { maxLength: 60 }), (lengths, steps) => {
      const stream = Buffer.concat(lengths.map((length) => message("d", Buffer.alloc(length))));
      const ends = new Set([0]);
      for (const length of lengths) ends.add(Math.max(...ends) + 5 + length);
      const boundary = new MessageBoundary();
      let position = 0;
      for (const step of [...steps, stream.length]) {
        const next = Math.min(stream.length, position + step);
        boundary.pass(stream.subarray(position, next));
        position = next;
        t.is(boundary.inside, !ends.has(position));
      }
    }),
  );
});

test("bytes that are no messages are refused", (t) => {
  const boundary = new MessageBoundary();
  t.throws(() => boundary.pass(Buffer.concat([Buffer.from("d"), int32(3)])), { code: "internal_error" });
});
