import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createTemporaryDirectory } from "../../scripts/support/temporary-directory.js";
import type { NeonError } from "../../src/errors.js";
import { createVerifier } from "../../src/pgwire/scram/scram-verifier.js";
import {
  changeOrigins,
  changeUsers,
  DEFAULT_LISTEN,
  findRepository,
  initRepository,
  readConfig,
} from "../../src/server/config.js";

const VERIFIER = await createVerifier(Buffer.from("hunter2"));

async function scratch(t: { teardown(work: () => Promise<void>): void }): Promise<string> {
  const directory = await createTemporaryDirectory("neon-config-");
  t.teardown(() => directory.remove());
  return directory.path;
}

test("init makes a private .neon with a private config.toml and an empty store", async (t) => {
  const parent = await scratch(t);
  const directory = await initRepository(parent);
  t.is(directory, join(parent, ".neon"));
  t.deepEqual(await readdir(parent), [".neon"]);
  t.deepEqual(await readdir(directory), ["config.toml", "store"]);
  t.is((await stat(directory)).mode & 0o777, 0o700);
  t.is((await stat(join(directory, "config.toml"))).mode & 0o777, 0o600);
  t.deepEqual(await readConfig(directory), {
    listen: DEFAULT_LISTEN,
    origins: new Map(),
    users: new Map(),
    mockAuthenticationNonce: undefined,
  });
});

test("init makes the parent directory if it is missing", async (t) => {
  const parent = join(await scratch(t), "a", "b");
  t.is(await initRepository(parent, { listen: "[::1]:7000" }), join(parent, ".neon"));
  t.is((await readConfig(join(parent, ".neon"))).listen, "[::1]:7000");
});

test("a second init is refused and changes nothing", async (t) => {
  const parent = await scratch(t);
  const directory = await initRepository(parent);
  const before = await readFile(join(directory, "config.toml"), "utf8");
  const error = await t.throwsAsync(initRepository(parent, { listen: "127.0.0.1:1" }), {
    code: "duplicate_object",
  });
  t.truthy((error as NeonError).hint);
  t.is(await readFile(join(directory, "config.toml"), "utf8"), before);
  t.deepEqual(await readdir(parent), [".neon"]);
});

test("of many inits at once one makes the repository", async (t) => {
  const parent = await scratch(t);
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => initRepository(parent)));
  t.is(results.filter((result) => result.status === "fulfilled").length, 1);
  t.deepEqual(await readdir(parent), [".neon"]);
});

test("a bad listen address leaves nothing behind", async (t) => {
  const parent = await scratch(t);
  await t.throwsAsync(initRepository(parent, { listen: "nowhere" }), { code: "invalid_parameter_value" });
  t.deepEqual(await readdir(parent), []);
});

test("the repository is found from below", async (t) => {
  const parent = await scratch(t);
  const directory = await initRepository(parent);
  const below = join(parent, "a", "b");
  await mkdir(below, { recursive: true });
  t.is(findRepository(parent), directory);
  t.is(findRepository(below), directory);
});

test("without a repository the hint is neon init", async (t) => {
  const parent = await scratch(t);
  const error = t.throws(() => findRepository(parent), { code: "undefined_file" }) as NeonError;
  t.regex(error.hint ?? "", /neon init/);
});

test("a .neon without a configuration is passed over", async (t) => {
  const parent = await scratch(t);
  const directory = await initRepository(parent);
  const below = join(parent, "below");
  await mkdir(join(below, ".neon"), { recursive: true });
  t.is(findRepository(below), directory);
});

test("changing origins keeps other settings, names as they are, and the file private", async (t) => {
  const directory = await initRepository(await scratch(t));
  const path = join(directory, "config.toml");
  await writeFile(
    path,
    'listen = "127.0.0.1:7"\nlater = [1, 2]\n[origins.old]\nuri = "postgresql://o/"\nnote = "x"\n',
  );
  const names = ["cloud", "a.b", "ä", "__proto__", 'quo"te'];
  await changeOrigins(directory, (origins) => {
    for (const name of names) origins.set(name, `postgresql://${encodeURIComponent(name)}/`);
  });
  const { listen, origins } = await readConfig(directory);
  t.is(listen, "127.0.0.1:7");
  t.deepEqual([...origins.keys()].sort(), [...names, "old"].sort());
  t.is(origins.get("__proto__"), "postgresql://__proto__/");
  const text = await readFile(path, "utf8");
  t.regex(text, /later = \[ 1, 2 \]/);
  t.regex(text, /note = "x"/);
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.deepEqual(await readdir(directory), ["config.toml", "store"]);
});

test("changing users keeps origins, names as they are, and the nonce of the first change", async (t) => {
  const directory = await initRepository(await scratch(t));
  await changeOrigins(directory, (origins) => void origins.set("cloud", "postgresql://h/"));
  const names = ["bob", "a.b", "ä", "__proto__", 'quo"te', "x y"];
  await changeUsers(directory, (users) => {
    for (const name of names) users.set(name, VERIFIER);
  });
  const first = await readConfig(directory);
  t.deepEqual([...first.users.keys()].sort(), [...names].sort());
  t.is(first.users.get("__proto__"), VERIFIER);
  t.is(first.origins.get("cloud"), "postgresql://h/");
  t.regex(first.mockAuthenticationNonce ?? "", /^[0-9a-f]{64}$/);

  await changeUsers(directory, (users) => users.clear());
  const second = await readConfig(directory);
  t.is(second.users.size, 0);
  t.is(second.mockAuthenticationNonce, first.mockAuthenticationNonce);
  t.is((await stat(join(directory, "config.toml"))).mode & 0o777, 0o600);
});

test("a change that throws changes nothing", async (t) => {
  const directory = await initRepository(await scratch(t));
  const before = await readFile(join(directory, "config.toml"), "utf8");
  const change = changeOrigins(directory, (origins) => {
    origins.set("cloud", "postgresql://h/");
    throw new RangeError("no");
  });
  await t.throwsAsync(change, { instanceOf: RangeError });
  t.is(await readFile(join(directory, "config.toml"), "utf8"), before);
});

const UNUSABLE: [title: string, text: string, message: RegExp][] = [
  ["no TOML", 'listen = "hunter2', /line 1/],
  ["a listen that is no text", "listen = 6400", /listen/],
  ["origins that are no table", 'origins = "hunter2"', /origins/],
  ["an origin without a URI", "[origins.cloud]\nurl = 'hunter2'", /origins\.cloud\.uri/],
  ["users that are no table", 'users = "hunter2"', /users/],
  ["a user without a password", "[users.bob]\nverifier = 'hunter2'", /users\.bob\.password/],
  ["a user whose password is in clear text", "[users.bob]\npassword = 'hunter2'", /users\.bob\.password/],
  ["a nonce that is none", "mock_authentication_nonce = 'hunter2'", /mock_authentication_nonce/],
  ["an origin whose URI is none", "[origins.cloud]\nuri = 'hunter2'", /origins\.cloud\.uri/],
];

for (const [title, text, message] of UNUSABLE) {
  test(`a configuration with ${title} is refused by name and not quoted`, async (t) => {
    const directory = await initRepository(await scratch(t));
    await writeFile(join(directory, "config.toml"), text);
    const error = await t.throwsAsync(readConfig(directory), { code: "invalid_parameter_value", message });
    t.false(error.message.includes("hunter2"));
  });
}

test("whatever bit of the configuration is flipped, wherever it is cut or zeroed: no setting is missing silently", async (t) => {
  const directory = await initRepository(await scratch(t), { listen: "127.0.0.1:7000" });
  const path = join(directory, "config.toml");
  await changeOrigins(directory, (origins) => void origins.set("cloud", "postgresql://host/"));
  await changeUsers(directory, (users) => void users.set("bob", VERIFIER));
  const sound = await readFile(path);
  const damaged: [string, Buffer][] = [];
  for (let at = 0; at < sound.length; at++) {
    const [flipped, zeroed] = [Buffer.from(sound), Buffer.from(sound)];
    flipped[at] ^= 1 << (at % 8);
    zeroed.fill(0, at, Math.min(at + 16, sound.length));
    damaged.push([`flipped at ${at}`, flipped], [`zeroed at ${at}`, zeroed]);
    // Behind the last word only the newline is missing.
    if (at < sound.length - 1) damaged.push([`cut at ${at}`, sound.subarray(0, at)]);
  }
  let told = 0;
  for (const [what, bytes] of damaged) {
    await writeFile(path, bytes);
    try {
      // What stands in a value, or how a user is called, is for people to say: nothing else can notice a change.
      const { listen, origins, users, mockAuthenticationNonce } = await readConfig(directory);
      t.deepEqual([origins.size, users.size, mockAuthenticationNonce?.length], [1, 1, 64], what);
      t.not(listen, DEFAULT_LISTEN, what);
    } catch (error) {
      t.is((error as NeonError).code, "invalid_parameter_value", what);
      told++;
    }
  }
  t.true(told > damaged.length / 2, `${told} of ${damaged.length}`);
});
