import { create } from "@bufbuild/protobuf";
import test from "ava";
import { ProgressSchema } from "../../gen/neon/pageserver/v1/service_pb.js";
import { createProgressDisplay } from "../../src/cli/progress.js";

const MB = 1024 * 1024;

/** A display on a stream that keeps what it gets, with a clock that the test moves. */
function display(stream: { isTTY?: boolean; columns?: number } = {}) {
  const clock = { seconds: 100 };
  const written: string[] = [];
  const write = (text: string | Uint8Array) => written.push(String(text)) > 0;
  const shown = createProgressDisplay({ ...stream, write }, () => clock.seconds);
  const update = (phase: string, bytes: number, totalBytes?: number) =>
    shown.update(
      create(ProgressSchema, {
        phase,
        bytes: BigInt(bytes),
        ...(totalBytes !== undefined && { totalBytes: BigInt(totalBytes) }),
      }),
    );
  return { clock, written, update, end: () => shown.end() };
}

test("on a terminal one line is written over, with phase, bytes, rate and time left, and cleared in the end", (t) => {
  const { clock, written, update, end } = display({ isTTY: true, columns: 100 });
  update("base backup", 0, 100 * MB);
  clock.seconds += 2;
  update("base backup", 20 * MB, 100 * MB);
  end();
  t.deepEqual(written, [
    "\r\x1b[Kbase backup: 0 bytes of 100 MB, 0%",
    "\r\x1b[Kbase backup: 20.0 MB of 100 MB, 20%, 10.0 MB/s, 8 s left",
    "\r\x1b[K",
  ]);
});

test("a line never grows wider than the terminal", (t) => {
  const { written, update } = display({ isTTY: true, columns: 20 });
  update("a phase with a very long name", 1, 2);
  t.is(written[0]?.replace("\r\x1b[K", "").length, 19);
});

test("elsewhere a short command writes nothing, a long one a plain line every five seconds", (t) => {
  const { clock, written, update, end } = display();
  for (let tick = 0; tick <= 60; tick++) {
    update("WAL", tick * MB);
    clock.seconds += 0.2;
  }
  end();
  t.deepEqual(written, ["WAL: 25.0 MB, 5.00 MB/s\n", "WAL: 50.0 MB, 5.00 MB/s\n"]);
});

test("the rate is that of the last ten seconds: a stall shows", (t) => {
  const { clock, written, update } = display({ isTTY: true, columns: 100 });
  update("sending", 0);
  clock.seconds += 1;
  update("sending", 50 * MB);
  for (let second = 0; second < 11; second++) {
    clock.seconds += 1;
    update("sending", 50 * MB);
  }
  t.regex(written.at(-1) ?? "", /sending: 50\.0 MB, 0 bytes\/s$/);
});

test("more bytes than were announced are no percentage and no time left", (t) => {
  const { written, update } = display({ isTTY: true, columns: 100 });
  update("base backup", 3 * MB, 2 * MB);
  t.deepEqual(written, ["\r\x1b[Kbase backup: 3.00 MB"]);
});
