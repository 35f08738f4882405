import fc from "fast-check";
import type { Cut } from "./cut-stream.js";

/** One step. Servers, branches and places are picked by number, modulo what there is. */
export type Operation =
  | { kind: "import"; server: number; name: string; cluster: number; lengths: number[] }
  | { kind: "append"; server: number; branch: number; lengths: number[] }
  | { kind: "fork"; server: number; branch: number; place: number; name: string }
  | { kind: "delete"; server: number; branch: number }
  | { kind: "rename"; server: number; branch: number; name: string }
  | { kind: "gc"; server: number; all: boolean }
  | { kind: "reopen"; server: number }
  | { kind: "damage"; server: number; branch: number; frame: number; at: number }
  | Transfer;

/** A push or a pull. */
export interface Transfer {
  readonly kind: "transfer";
  readonly way: "push" | "pull";
  /** One of the servers that have a branch. */
  readonly from: number;
  /** How many servers further; 0 is the same one. */
  readonly distance: number;
  readonly branch: number;
  /** Name at the receiver; undefined: the branch's own. */
  readonly name: string | undefined;
  readonly mode:
    | "plain"
    | "force"
    | "lease"
    | "stale lease"
    | "dry run of the sender"
    | "dry run of the receiver";
  /** Where the connection is cut, and whether the receiver's store goes down in the same moment. */
  readonly cut: Cut | undefined;
  readonly crash: boolean;
  /** Whether the next attempt follows at once. */
  readonly again: boolean;
}

const number = fc.nat(1000);
const server = fc.nat(2);
const name = fc.constantFrom("a", "b", "c");
/** Units of WAL in each frame; 0 is a frame without WAL. */
const lengths = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(fc.nat(3), { minLength: 20, maxLength: 60 }) },
);

const cut: fc.Arbitrary<Cut> = fc.record({
  end: fc.constantFrom("dialled" as const, "served" as const),
  direction: fc.constantFrom("read" as const, "write" as const),
  after: fc.oneof({ weight: 4, arbitrary: fc.nat(8) }, { weight: 1, arbitrary: fc.nat(40) }),
});

const transfer: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant("transfer" as const),
  way: fc.constantFrom("push" as const, "pull" as const),
  from: server,
  distance: fc.constantFrom(1, 2, 1, 2, 0),
  branch: number,
  name: fc.option(name, { nil: undefined }),
  mode: fc.oneof(
    { weight: 6, arbitrary: fc.constant("plain" as const) },
    { weight: 3, arbitrary: fc.constant("force" as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        "lease" as const,
        "stale lease" as const,
        "dry run of the sender" as const,
        "dry run of the receiver" as const,
      ),
    },
  ),
  cut: fc.option(cut, { nil: undefined, freq: 2 }),
  crash: fc.boolean(),
  again: fc.boolean(),
});

const kind = <K extends string>(value: K) => fc.constant(value);

/** Any step. Transfers are about half of them. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: kind("import"), server, name, cluster: fc.nat(1), lengths }) },
  { weight: 6, arbitrary: fc.record({ kind: kind("append"), server, branch: number, lengths }) },
  { weight: 5, arbitrary: fc.record({ kind: kind("fork"), server, branch: number, place: number, name }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("delete"), server, branch: number }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("rename"), server, branch: number, name }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("gc"), server, all: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("reopen"), server }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind("damage"), server, branch: number, frame: number, at: number }),
  },
  { weight: 18, arbitrary: transfer },
);
