import { equals } from "@bufbuild/protobuf";
import { type StartRecord, StartRecordSchema } from "../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../errors.js";
import type { Base } from "../timeline/base.js";
import type { ChainReader } from "../timeline/chain-reader.js";
import type { Frame } from "../timeline/frame/frame.js";
import { assertStartRecord, readStartRecord } from "../timeline/frame/start-record.js";
import type { Predecessor } from "../timeline/frame/successor.js";
import { type Head, standsIn } from "../timeline/head.js";

/**
 * Proves by the frames, and by nothing that a sender says, that their chain begins with the start record that was offered,
 * holds the head that a branch has before it moves without force, and ends at the head that was offered.
 *
 * Told of the frames in order: first of those that are here already, up to a base, then of each that comes.
 */
export class ChainProof {
  readonly #start: StartRecord;
  readonly #contains: Head | undefined;

  /** `contains`: the head that the frames have to hold; undefined where the branch may lose it. */
  constructor(start: StartRecord, contains: Head | undefined) {
    this.#start = start;
    this.#contains = contains;
  }

  /** Frames that are here, up to `base`; `reader` reads them, and no others. Throws 08P01. */
  async held(base: Base, reader: ChainReader): Promise<void> {
    this.#assertStart(base.start);
    const held = this.#contains;
    if (held === undefined || held.seq > reader.lastSeq) return;
    if (!held.digest.equals(await reader.digest(held.seq))) throw elsewhere();
    if (held.seq < reader.lastSeq && (await reader.checkedLsn(held.seq)) < held.lsn) throw elsewhere();
  }

  /** A frame that came. Throws 08P01, XX001 for a first frame that is none. */
  frame(frame: Frame): void {
    const { seq, startLsn } = frame.header;
    if (seq === 0n) {
      const start = readStartRecord(frame);
      assertStartRecord(start);
      this.#assertStart(start);
    }
    const held = this.#contains;
    if (held === undefined) return;
    if (seq === BigInt(held.seq) && !held.digest.equals(frame.digest)) throw elsewhere();
    // As far as the held head's frame counts in this chain.
    if (seq === BigInt(held.seq) + 1n && startLsn < held.lsn) throw elsewhere();
  }

  /** The offered head, behind `last`, the last frame of all. Throws 08P01. */
  head(head: Head, { header, digest }: Predecessor): void {
    const ends = header.seq === BigInt(head.seq) && digest.equals(head.digest) && standsIn(header, head.lsn);
    if (!ends) {
      throw new NeonError("protocol_violation", "the frames do not end at the head that was offered", {
        party: "source",
      });
    }
    const held = this.#contains;
    if (held === undefined || head.seq > held.seq) return;
    if (head.seq < held.seq || head.lsn < held.lsn) throw elsewhere();
  }

  #assertStart(start: StartRecord): void {
    if (equals(StartRecordSchema, start, this.#start)) return;
    throw new NeonError(
      "protocol_violation",
      "the offer has another start record than the chain's first frame",
      {
        party: "source",
      },
    );
  }
}

function elsewhere(): NeonError {
  return new NeonError(
    "protocol_violation",
    "the frames do not hold the head of the branch here, as the sender had claimed: it would lose history",
    { party: "source", hint: "Nothing has moved. Push or pull under another name to look at what came." },
  );
}
