import { fileURLToPath } from "node:url";
import { PageServerService } from "../gen/neon/pageserver/v1/service_pb.js";
import { checkDocs } from "./check-docs.js";
import { checkGenerated } from "./check-generated.js";
import { checkLayers } from "./check-layers.js";
import { checkSchema } from "./check-schema.js";

// `npm run check`: the rules of this repository that no other tool knows. Each check returns its violations in words.

const root = fileURLToPath(new URL("../../", import.meta.url)); // this file runs from dist/scripts/

const checks: Record<string, () => string[] | Promise<string[]>> = {
  "import directions": () => checkLayers(root),
  "command-field rule": () => checkSchema(PageServerService),
  "generated code": () => checkGenerated(root),
  "names in the docs": () => checkDocs(root, PageServerService),
};

for (const [name, check] of Object.entries(checks)) {
  const violations = await check();
  console.log(`${name}: ${violations.length === 0 ? "ok" : `${violations.length} violations`}`);
  for (const violation of violations) console.log(`  ${violation}`);
  if (violations.length > 0) process.exitCode = 1;
}
