import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "ava";
import { acquireExclusiveName } from "../../src/pgwire/exclusive-name.js";

const onLinux = process.platform === "linux" ? test : test.skip;

onLinux("a name has one holder, until it is released", async (t) => {
  const name = `neon-test:${process.pid}:one`;
  const held = await acquireExclusiveName(name);
  t.is(await acquireExclusiveName(name), undefined);
  const other = await acquireExclusiveName(`${name}2`);
  t.truthy(other, "a name that only begins like it is another one");
  await other?.release();
  await held?.release();
  const again = await acquireExclusiveName(name);
  t.truthy(again);
  await again?.release();
});

onLinux("a holder that is killed gives its name back", async (t) => {
  const name = `neon-test:${process.pid}:killed`;
  const module = new URL("../../src/pgwire/exclusive-name.js", import.meta.url).href;
  const program = `
    const { acquireExclusiveName } = await import(${JSON.stringify(module)});
    console.log((await acquireExclusiveName(${JSON.stringify(name)})) !== undefined);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
  const [said] = await once(child.stdout, "data");
  t.is(String(said).trim(), "true");
  t.is(await acquireExclusiveName(name), undefined);
  child.kill("SIGKILL");
  await once(child, "exit");
  const held = await acquireExclusiveName(name);
  t.truthy(held);
  await held?.release();
});

onLinux("a name that the kernel would cut is refused", async (t) => {
  for (const name of ["", "x".repeat(107), "a\0b"]) {
    await t.throwsAsync(acquireExclusiveName(name), { code: "invalid_parameter_value" });
  }
  const longest = await acquireExclusiveName("x".repeat(106));
  t.truthy(longest);
  await longest?.release();
});
