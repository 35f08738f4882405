import type { StartRecord } from "../../../gen/neon/pageserver/v1/record_pb.js";
import { NeonError } from "../../errors.js";
import { decodeRecords } from "./decode-records.js";
import type { Frame } from "./frame.js";

/** The start record in the first frame of a chain. Throws XX001 if it holds none. */
export function readStartRecord(frame: Frame): StartRecord {
  const { records } = decodeRecords(frame);
  const record = records[0]?.record;
  if (record?.case === "start" && records.length === 1) return record.value;
  throw new NeonError("data_corrupted", "the first frame of the chain holds no start record", {
    party: "source",
  });
}
