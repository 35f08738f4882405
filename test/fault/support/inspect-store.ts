/**
 * Run as a program, with the path of a store: opens it, verifies every branch, reads all frames and collects garbage, and
 * says in one line of JSON what it saw. A process of its own, since damage beneath LMDB can end one.
 */
import { createHash } from "node:crypto";
import { NeonError } from "../../../src/errors.js";
import { verifyBranches } from "../../../src/postgres/history/verify-branches.js";
import { Store } from "../../../src/timeline/store.js";

/** What {@link inspect} saw. */
export interface Inspection {
  /** What the opening, or anything after it, was refused with. */
  readonly refused?: string;
  /** Head and content of each branch, by name. */
  readonly branches: { readonly [name: string]: string };
  /** What verify says is wrong. */
  readonly complaints: readonly string[];
  /** Bytes that gc freed. */
  readonly freed: number;
}

async function inspect(path: string): Promise<Inspection> {
  const seen = { branches: {} as { [name: string]: string }, complaints: [] as string[], freed: 0 };
  try {
    const store = await Store.open(path);
    try {
      store.checkIndex();
      const branches = store.listBranches();
      for await (const { branch, damage } of verifyBranches({ store, branches }))
        if (damage !== undefined) seen.complaints.push(`${branch.name}: ${damage.text}`);
      seen.complaints.push(...(await store.upkeep.findContradictions()));
      for (const branch of branches) {
        const hash = createHash("sha256").update(`${branch.head.lsn} ${branch.head.seq} `);
        try {
          for await (const { digest } of store.readFrames(branch)) hash.update(digest);
          seen.branches[branch.name] = hash.digest("hex");
        } catch (error) {
          seen.branches[branch.name] = "unreadable";
          seen.complaints.push(`${branch.name}: ${NeonError.from(error).message}`);
        }
      }
      seen.freed = (await store.collectGarbage(false)).bytes;
    } finally {
      await store.close();
    }
    return seen;
  } catch (thrown) {
    const { code, message } = NeonError.from(thrown);
    return { ...seen, refused: `${code}: ${message}` };
  }
}

const [, program, path] = process.argv;
if (path !== undefined && program?.endsWith("inspect-store.js"))
  console.log(JSON.stringify(await inspect(path)));
