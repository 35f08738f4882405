import { create } from "@bufbuild/protobuf";
import {
  type Answer,
  AnswerSchema,
  Decision,
  type FramePosition,
  type Offer,
} from "../../gen/neon/pageserver/v1/session_pb.js";
import { NeonError } from "../errors.js";
import type { FrameAppender } from "../timeline/frame-appender.js";
import { headOf, sameHead } from "../timeline/head.js";
import type { Branch, Store } from "../timeline/store.js";
import { fromHeadMessage, toHeadMessage } from "./head-message.js";
import type { Sink } from "./party.js";

/** The branch `name` of a store as a sink, whether or not it exists. Throws 42602 for what cannot be a branch's name. */
export function branchSink(store: Store, name: string): Sink {
  store.getBranch(name);
  let appender: FrameAppender | undefined;
  const begun = () => {
    if (appender === undefined) throw new NeonError("internal_error", "a sink takes frames only after begin");
    return appender;
  };
  return {
    answer: async (offer) => {
      const branch = store.getBranch(name);
      if (branch === undefined) return create(AnswerSchema, { decision: Decision.CREATE });
      return compare(store, branch, offer);
    },
    begin: (onDurable) => {
      appender = store.appendFrames();
      appender.onDurable = onDurable;
    },
    append: (frame) => begun().append(frame),
    commit: async (head) => {
      const { last } = begun();
      if (last === undefined || !sameHead(headOf(last), head)) {
        throw new NeonError("protocol_violation", "the frames do not end at the head that was offered", {
          party: "source",
        });
      }
      await store.createBranch(name, begun());
      appender = undefined;
    },
    abort: async () => {
      await appender?.abort();
      appender = undefined;
    },
  };
}

/**
 * Decides by digest what an offer is to a branch that exists. Exact but for one case: where the branch's head lies in
 * a gap of the locator, a fast-forward is answered as diverged.
 */
async function compare(store: Store, branch: Branch, offer: Offer): Promise<Answer> {
  const theirs = fromHeadMessage(offer.head);
  const answer = (decision: Decision, common?: FramePosition) =>
    create(AnswerSchema, { decision, common, head: toHeadMessage(branch.head) });
  if (sameHead(branch.head, theirs)) return answer(Decision.UP_TO_DATE);
  if (offer.start?.systemIdentifier !== branch.start.systemIdentifier) return answer(Decision.UNRELATED);
  const reader = store.reader(branch);
  for (const position of offer.locator) {
    const seq = Number(position.seq);
    if (seq > branch.head.seq || !(await reader.digest(seq)).equals(position.digest)) continue;
    if (seq === branch.head.seq && branch.head.lsn <= theirs.lsn)
      return answer(Decision.FAST_FORWARD, position);
    if (seq === theirs.seq && theirs.lsn <= branch.head.lsn) return answer(Decision.BEHIND, position);
    return answer(Decision.DIVERGED, position);
  }
  return answer(Decision.SEPARATE_IMPORT);
}
