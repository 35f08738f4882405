import { randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import { Decision } from "../../gen/neon/pageserver/v1/session_pb.js";
import type { NeonError } from "../../src/errors.js";
import { connect } from "../../src/pgwire/connect.js";
import { listen } from "../../src/pgwire/listener.js";
import { call, callStream } from "../../src/server/call.js";
import { type TemporaryServer, temporaryServer } from "../support/temporary-server.js";
import {
  FRAME_WAL,
  frameAfter,
  honest,
  makeChain,
  type Named,
  playSender,
  startRecord,
  type Words,
} from "./support/stranger.js";

const commands = PageServerService.method;

/** A way in which a sender lies: what it says of its seven frames to a receiver whose branch holds the first four. */
type Lie = (words: Words) => Words;

const offer =
  (change: (offer: Words["offer"]) => Partial<Words["offer"]>): Lie =>
  (words) => ({ ...words, offer: { ...words.offer, ...change(words.offer) } });
const plan =
  (change: (plan: NonNullable<Words["plan"]>) => object): Lie =>
  ({ plan, ...words }) => ({ ...words, plan: plan && { ...plan, ...change(plan) } });
/** The same head in Offer and Finish, and counts that go with it. */
const head =
  (change: (head: Named) => Partial<Named>): Lie =>
  ({ offer, plan, ...words }) => {
    const old = offer.head as Named;
    const now = { ...old, ...change(old) };
    const more = now.seq - old.seq;
    const locator = offer.locator
      .map((each) => (each.seq === old.seq ? now : each))
      .filter((each) => each === now || each.seq < now.seq);
    return {
      ...words,
      offer: { ...offer, head: now, locator, frames: offer.frames + more },
      plan: plan && { ...plan, frames: plan.frames + more },
      finish: { head: now },
    };
  };

/** What each lie is answered with. Nothing may move, and the server goes on. */
const LIES: Record<string, [Lie, sqlstate: string, message: RegExp]> = {
  "a head whose number is too large": [
    head(({ seq }) => ({ seq: seq + 4n })),
    "08P01",
    /do not end at the head/,
  ],
  "a head whose number is too small": [head(({ seq }) => ({ seq: seq - 1n })), "08P01", /more than/],
  "a head with another digest": [
    head(() => ({ digest: Buffer.alloc(32, 1) })),
    "08P01",
    /do not end at the head/,
  ],
  "a head behind the end of its frame": [
    head(({ lsn }) => ({ lsn: lsn + 1n })),
    "08P01",
    /do not end at the head/,
  ],
  "a head at the start of its frame": [
    head(({ lsn }) => ({ lsn: lsn - FRAME_WAL })),
    "08P01",
    /do not end at the head/,
  ],
  "a head with a short digest": [head(() => ({ digest: randomBytes(31) })), "08P01", /no valid head/],
  "a head whose number is no safe integer": [head(() => ({ seq: 1n << 53n })), "08P01", /no valid head/],
  "an offer without a head": [offer(() => ({ head: undefined })), "08P01", /no valid head/],
  "an offer without a start record": [offer(() => ({ start: undefined })), "08P01", /holds no start record/],
  "an offer with another start record": [
    offer(() => ({ start: startRecord() })),
    "08P01",
    /another start record/,
  ],
  "an offer of another number of frames": [
    offer(({ frames }) => ({ frames: frames + 1n })),
    "08P01",
    /counts 8 frames/,
  ],
  "a locator of more than 128 frames": [
    offer(({ locator }) => ({ locator: Array.from({ length: 129 }, () => locator[0]) })),
    "08P01",
    /names 129 frames/,
  ],
  "a locator in another order": [
    offer(({ locator }) => ({ locator: locator.toReversed() })),
    "08P01",
    /another order/,
  ],
  "a locator without the first frame": [
    offer(({ locator }) => ({ locator: locator.slice(0, -1) })),
    "08P01",
    /first frame/,
  ],
  "a locator with a short digest": [
    offer(({ locator }) => ({ locator: locator.map((each) => ({ ...each, digest: randomBytes(20) })) })),
    "08P01",
    /cannot be there/,
  ],
  "a locator that names the head otherwise": [
    offer(({ locator: [first, ...rest] }) => ({ locator: [{ ...first, lsn: 5n }, ...rest] })),
    "08P01",
    /do not end at the head/,
  ],
  "no plan": [(words) => ({ ...words, plan: undefined }), "08P01", /where plan was expected/],
  "a plan of another number of frames": [
    plan(({ frames }) => ({ frames: frames + 1n })),
    "08P01",
    /plans 4 frames/,
  ],
  "a plan of more bytes than were offered": [
    plan(() => ({ bytes: 1n << 40n })),
    "08P01",
    /of the \d+ that were/,
  ],
  "a frame more than planned": [
    (words) => ({ ...words, frames: [...words.frames, frameAfter(words.frames.at(-1), randomBytes(256))] }),
    "08P01",
    /sent more than/,
  ],
  "a byte more than planned": [plan(({ bytes }) => ({ bytes: bytes - 1n })), "08P01", /sent more than/],
  "a frame too few": [
    (words) => ({ ...words, frames: words.frames.slice(0, -1) }),
    "08P01",
    /do not end at the head/,
  ],
  "a finish at another number": [
    (words) => ({ ...words, finish: { head: { ...(words.finish?.head as Named), seq: 5n } } }),
    "08P01",
    /finished at another head/,
  ],
  "a finish without a head": [
    (words) => ({ ...words, finish: { head: undefined } }),
    "08P01",
    /no valid head/,
  ],
  "an end without a finish": [(words) => ({ ...words, finish: undefined }), "08P01", /ended where/],
};

/** One chain: its start record, seven frames, and what its sender honestly says of the first `count`. */
function chainOfSeven() {
  const start = startRecord();
  const chain = makeChain(7, start);
  return {
    start,
    chain,
    words: (count: number) => (held: number) => honest(chain.slice(0, count), start, held),
  };
}

/** How a stranger's branch comes to a page server: the stranger pushes, or the page server pulls from the stranger. */
interface Way {
  bring(words: (held: number) => Words, branch: string): Promise<unknown>;
}

async function pushes(t: ExecutionContext, { uri }: TemporaryServer): Promise<Way> {
  const connection = await connect({ uri });
  t.teardown(() => connection.destroy());
  return {
    // One connection for all: it has to be of use after each refusal.
    bring: async (words, branch) => {
      const session = await connection.copyBoth(`branch_push ${branch} ${"00".repeat(16)}`);
      try {
        await playSender(session, words);
      } catch (error) {
        await session.finish().catch(() => undefined);
        throw error;
      }
      await session.finish();
    },
  };
}

async function pulls(t: ExecutionContext, server: TemporaryServer): Promise<Way> {
  let says: ((held: number) => Words) | undefined;
  const listener = await listen({
    parameters: { server_version: "14.0 (neon 0.0.0)" },
    port: 0,
    handler: {
      query: async (_sql, reply) => {
        await playSender(reply.copyBoth(), says as (held: number) => Words);
        reply.commandComplete("COPY");
      },
    },
  });
  t.teardown(() => listener.destroy());
  const connection = await server.connect();
  t.teardown(() => connection.destroy());
  return {
    bring: async (words, branch) => {
      says = words;
      return call(connection, commands.performPull, {
        branch,
        uri: `postgresql://${listener.addresses[0]}/`,
      });
    },
  };
}

/** The branches of a page server, asked for in a session of their own. */
async function branches({ connect: open }: TemporaryServer) {
  const connection = await open();
  try {
    const rows = await callStream(connection, commands.branchList, {});
    return new Map(rows.map(({ name, head }) => [name, head]));
  } finally {
    await connection.close();
  }
}

for (const [name, way] of Object.entries({ "a push to": pushes, "a pull by": pulls })) {
  test(`${name} a page server moves nothing, whatever the sender lies about its frames`, async (t) => {
    const server = await temporaryServer();
    t.teardown(server.remove);
    const { bring } = await way(t, server);
    for (const [i, [lie, [change, sqlstate, message]]] of Object.entries(LIES).entries()) {
      const { words } = chainOfSeven();
      const branch = `main${i}`;
      await bring(words(4), branch);
      const before = await branches(server);
      const error = await t.throwsAsync<NeonError>(
        bring((held) => change(words(7)(held)), branch),
        undefined,
        lie,
      );
      t.is(error?.sqlstate, sqlstate, `${lie}: ${error?.message}`);
      t.regex(error?.message ?? "", message, lie);
      t.deepEqual(await branches(server), before, lie);
      // Nothing that was refused stands in the way of the truth.
      await bring(words(7), branch);
      t.is((await branches(server)).get(branch)?.seq, 6n, lie);
    }
  });

  test(`${name} a page server is a fast-forward only if the frames say so, not the sender`, async (t) => {
    const server = await temporaryServer();
    t.teardown(server.remove);
    const { bring } = await way(t, server);
    const { start, chain, words } = chainOfSeven();
    await bring(words(4), "main");
    const before = await branches(server);
    // Another history, which leaves that of the branch in the middle of its last frame.
    const left = chain[3].header.endLsn - FRAME_WAL / 2n;
    const shared = chain.slice(0, 4);
    const other = [...shared, frameAfter(shared[3], randomBytes(256), { startLsn: left })];
    const claimed = (held: number) => {
      const said = honest(other, start, held);
      const locator = said.offer.locator.map((each) =>
        each.seq === 3n ? { ...each, lsn: shared[3].header.endLsn } : each,
      );
      return { ...said, offer: { ...said.offer, locator } };
    };
    const refused = { message: /do not hold the head of the branch here/ };
    t.is((await t.throwsAsync<NeonError>(bring(claimed, "main"), refused))?.sqlstate, "08P01");
    t.deepEqual(await branches(server), before);
    // The same once all its frames are here and nothing has to come.
    await bring((held) => honest(other, start, held), "other");
    t.is((await t.throwsAsync<NeonError>(bring(claimed, "main"), refused))?.sqlstate, "08P01");
    // And by a head that stands before that of the branch.
    const shorter = (held: number) => {
      const said = honest(shared, start, held);
      const head = { seq: 3n, digest: shared[3].digest, lsn: left };
      const locator = [head, ...said.offer.locator.slice(1)];
      return { ...said, offer: { ...said.offer, head, locator }, finish: { head } };
    };
    await bring(shorter, "main").catch((error) => t.is(error.sqlstate, "55000"));
    t.deepEqual((await branches(server)).get("main"), before.get("main"));
  });

  test(`${name} a page server of frames that it has takes no wrong number either`, async (t) => {
    const server = await temporaryServer();
    t.teardown(server.remove);
    const { bring } = await way(t, server);
    const { words } = chainOfSeven();
    await bring(words(7), "main");
    for (const wrong of [-1n, 4n]) {
      const lie = head(({ seq }) => ({ seq: seq + wrong }));
      const error = await t.throwsAsync<NeonError>(bring((held) => lie(words(7)(held)), "copy"));
      t.is(error?.sqlstate, "08P01", error?.message);
      t.is((await t.throwsAsync<NeonError>(bring((held) => lie(words(7)(held)), "main")))?.sqlstate, "08P01");
    }
    t.deepEqual([...(await branches(server)).keys()], ["main"]);
  });

  test(`${name} a page server takes no chain whose start record no cluster can have`, async (t) => {
    const server = await temporaryServer();
    t.teardown(server.remove);
    const { bring } = await way(t, server);
    const impossible = [
      { blockSize: 4096 },
      { blockSize: 2 ** 31 },
      { walSegmentSize: 0 },
      { walSegmentSize: 12_345_678 },
      { walSegmentSize: 2 ** 31 },
      { importId: randomBytes(3) },
      { walStartLsn: 0x1000007n },
      { serverVersionNum: 0 },
      { postgresTimelineId: 0 },
    ];
    for (const change of impossible) {
      const start = startRecord(change);
      const chain = makeChain(3, start);
      const error = await t.throwsAsync<NeonError>(bring((held) => honest(chain, start, held), "main"));
      t.is(error?.sqlstate, "XX001", `${Object.keys(change)}: ${error?.message}`);
      t.is((await branches(server)).size, 0);
    }
  });
}

test("a pull reports what came, not what was planned", async (t) => {
  const server = await temporaryServer();
  t.teardown(server.remove);
  const { bring } = await pulls(t, server);
  const { chain, words } = chainOfSeven();
  const size = chain.reduce((sum, { length }) => sum + length, 0);
  const boastful = (held: number) => {
    const said = words(7)(held);
    return {
      ...said,
      offer: { ...said.offer, bytes: 1n << 30n },
      plan: said.plan && { ...said.plan, bytes: 1n << 30n },
    };
  };
  t.like(await bring(boastful, "main"), { decision: Decision.CREATE, frames: 7n, bytes: BigInt(size) });
});
