import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type BranchListRequest,
  type BranchListResponseSchema,
  PageServerService,
} from "../../../gen/neon/pageserver/v1/service_pb.js";
import { cleanText } from "../../clean-text.js";
import { toHeadMessage } from "../../sync/head-message.js";
import { callStream } from "../call.js";
import type { Context } from "../context.js";
import { connectRemote, explainRemote } from "../remote.js";
import { assertNoBranch } from "../uri-branch.js";

type Row = MessageInitShape<typeof BranchListResponseSchema>;

/** branch_list: a row a branch, of this page server or of another one. */
export async function* branchList({ uri }: BranchListRequest, context: Context): AsyncGenerator<Row> {
  if (uri !== undefined) assertNoBranch(uri, "Leave it out: all branches there are listed.");
  if (uri !== undefined) return yield* listRemote(uri, context);
  for (const { name, head, timelineId, bytes, ownBytes, parent } of context.store.listBranches()) {
    yield {
      name,
      head: toHeadMessage(head),
      timelineId,
      bytes: BigInt(bytes),
      ownBytes: BigInt(ownBytes),
      ...(parent !== undefined && { parent }),
    };
  }
}

async function* listRemote(uri: string, { directory, signal }: Context): AsyncGenerator<Row> {
  const connection = await connectRemote(directory, uri, signal);
  try {
    for (const row of await callStream(connection, PageServerService.method.branchList, {}, { signal })) {
      row.name = cleanText(row.name);
      if (row.parent !== undefined) row.parent = cleanText(row.parent);
      yield row;
    }
  } catch (error) {
    throw signal.aborted ? error : explainRemote(error, uri, "connection");
  } finally {
    await connection.close();
  }
}
