import type { PageServerService } from "../../gen/neon/pageserver/v1/service_pb.js";
import type { Handler } from "./handler.js";
import { branchCreate } from "./handlers/branch-create.js";
import { branchDelete } from "./handlers/branch-delete.js";
import { branchList } from "./handlers/branch-list.js";
import { branchLog } from "./handlers/branch-log.js";
import { branchPull } from "./handlers/branch-pull.js";
import { branchPush } from "./handlers/branch-push.js";
import { branchRename } from "./handlers/branch-rename.js";
import { branchShow } from "./handlers/branch-show.js";
import { branchVerify } from "./handlers/branch-verify.js";
import { collectGarbage } from "./handlers/collect-garbage.js";
import { commandList } from "./handlers/command-list.js";
import { originAdd } from "./handlers/origin-add.js";
import { originList } from "./handlers/origin-list.js";
import { originRemove } from "./handlers/origin-remove.js";
import { performExport } from "./handlers/perform-export.js";
import { performImport } from "./handlers/perform-import.js";
import { performPull } from "./handlers/perform-pull.js";
import { performPush } from "./handlers/perform-push.js";
import { serverStatus } from "./handlers/server-status.js";
import { sourceSlotDrop } from "./handlers/source-slot-drop.js";
import { sourceSlotList } from "./handlers/source-slot-list.js";
import { userAdd } from "./handlers/user-add.js";
import { userList } from "./handlers/user-list.js";
import { userRemove } from "./handlers/user-remove.js";

type Methods = typeof PageServerService.method;

/** The handler of every method. An rpc without one is a type error here. */
export const HANDLERS: { readonly [Name in keyof Methods]: Handler<Methods[Name]> } = {
  branchCreate,
  branchDelete,
  branchList,
  branchLog,
  branchPull,
  branchPush,
  branchRename,
  branchShow,
  branchVerify,
  collectGarbage,
  commandList,
  originAdd,
  originList,
  originRemove,
  performExport,
  performImport,
  performPull,
  performPush,
  serverStatus,
  sourceSlotDrop,
  sourceSlotList,
  userAdd,
  userList,
  userRemove,
};
