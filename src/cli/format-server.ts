import type { ServerStatusResponse } from "../../gen/neon/pageserver/v1/service_pb.js";
import { formatCount } from "./format.js";

/** One line about a page server: `neon 0.1.0, pid 4711, 127.0.0.1:6400, /home/me/.neon, 2 branches`. */
export function formatServer({ version, pid, listen, repository, branches }: ServerStatusResponse): string {
  return `neon ${version}, pid ${pid}, ${listen}, ${repository}, ${formatCount(branches, "branch", "branches")}`;
}
