import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import pg from "pg";
import { NeonError } from "../../../src/errors.js";
import { connect, connectSocket } from "../../../src/pgwire/connect.js";
import type { ListenOptions, PasswordUsers, ServerHandler } from "../../../src/pgwire/listener.js";
import {
  createVerifier,
  parseVerifier,
  type ScramVerifier,
} from "../../../src/pgwire/scram/scram-verifier.js";
import { fields, int32, message, RawClient, type RawMessage, startup, types } from "../raw-client.js";
import { type ToyServer, toyServer } from "../toy-server.js";

const verifier = parseVerifier(await createVerifier(Buffer.from("hunter2"))) as ScramVerifier;
const users: PasswordUsers = { verifiers: new Map([["bob", verifier]]), mockNonce: Buffer.alloc(32, 1) };

const whoAmI: ServerHandler["query"] = async (_sql, reply, connection) => {
  reply.rowDescription([{ name: "user", dataTypeID: 25 }]);
  await reply.dataRow([connection.startup.get("user") ?? null]);
  reply.commandComplete("SELECT 1");
};

function guarded(t: ExecutionContext, options: Partial<ListenOptions> = {}): Promise<ToyServer> {
  return toyServer(t, whoAmI, { users: async () => users, ...options });
}

/** SCRAM's client side, by none of the code under test. Gives all messages of the server. */
async function logIn(client: RawClient, user: string, password: string): Promise<RawMessage[]> {
  client.send(startup({ user }));
  const [offer] = await client.until("R");
  const bare = "n=,r=clientnonce";
  client.send(initialResponse(`n,,${bare}`));
  const [challenge] = await client.until("R");
  const serverFirst = challenge?.body.slice(4) ?? "";
  const {
    r = "",
    s = "",
    i = "",
  } = Object.fromEntries(serverFirst.split(",").map((part) => [part.slice(0, 1), part.slice(2)]));
  const salted = pbkdf2Sync(password, Buffer.from(s, "base64"), Number(i), 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest();
  const withoutProof = `c=biws,r=${r}`;
  const signature = createHmac("sha256", storedKey).update(`${bare},${serverFirst},${withoutProof}`).digest();
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] as number)));
  client.send(message("p", `${withoutProof},p=${proof.toString("base64")}`), message("X"));
  return [offer as RawMessage, challenge as RawMessage, ...(await client.rest())];
}

function initialResponse(data: string, mechanism = "SCRAM-SHA-256"): Buffer {
  return message("p", Buffer.concat([Buffer.from(`${mechanism}\0`), int32(data.length), Buffer.from(data)]));
}

test("a client that knows the password gets AuthenticationSASL, …Continue, …Final, …Ok and its session", async (t) => {
  const server = await guarded(t);
  const messages = await logIn(await RawClient.dial(server.tcp), "bob", "hunter2");
  t.is(types(messages), "RRRRSSSSSSKZ");
  t.is(messages[0]?.body, "\0\0\0\x0aSCRAM-SHA-256\0\0");
  t.is(messages[1]?.body.slice(0, 4), "\0\0\0\x0b");
  t.regex(messages[1]?.body.slice(4) ?? "", /^r=clientnonce[A-Za-z0-9+/]{24},s=[A-Za-z0-9+/]{22}==,i=4096$/);
  t.is(messages[2]?.body.slice(0, 4), "\0\0\0\x0c");
  t.regex(messages[2]?.body.slice(4) ?? "", /^v=[A-Za-z0-9+/]{43}=$/);
  t.is(messages[3]?.body, "\0\0\0\0");
});

test("an unknown user is answered as one with a wrong password is, with a salt that stays", async (t) => {
  const server = await guarded(t);
  const attempt = async (user: string) => logIn(await RawClient.dial(server.tcp), user, "wrong");
  const [known, unknown, again] = [await attempt("bob"), await attempt("eve"), await attempt("eve")];
  for (const [user, messages] of [["bob", known] as const, ["eve", unknown] as const]) {
    t.is(types(messages), "RRE");
    t.deepEqual(fields(messages[2]), {
      S: "FATAL",
      V: "FATAL",
      C: "28P01",
      M: `password authentication failed for user "${user}"`,
    });
  }
  t.deepEqual(unknown[0], known[0]);
  const shape = (text = "") => text.replace(/(?<=nonce)[^,]{24}/, "").replace(/(?<=s=)[^,=]{22}/, "");
  t.is(shape(unknown[1]?.body), shape(known[1]?.body));
  const salt = (messages: RawMessage[]) => /s=[^,]+/.exec(messages[1]?.body ?? "")?.[0];
  t.is(salt(unknown), salt(again));
  t.not(salt(unknown), salt(known));
});

test("a client that sends no initial response is asked for it", async (t) => {
  const server = await guarded(t);
  const client = await RawClient.dial(server.tcp);
  client.send(startup({ user: "bob" }));
  await client.until("R");
  client.send(message("p", Buffer.concat([Buffer.from("SCRAM-SHA-256\0"), int32(-1)])));
  t.deepEqual(await client.until("R"), [{ type: "R", body: "\0\0\0\x0b" }]);
  client.send(message("p", "n,,n=,r=x"));
  t.true((await client.until("R"))[0]?.body.startsWith("\0\0\0\x0br=x"));
});

const REFUSED: [what: string, bytes: Buffer, text: RegExp][] = [
  [
    "a query before the password",
    message("Q", "select 1\0"),
    /^expected SASL response, got message type 81$/,
  ],
  [
    "another mechanism",
    initialResponse("n,,n=,r=x", "SCRAM-SHA-256-PLUS"),
    /^client selected an invalid SASL/,
  ],
  ["a password in clear text", message("p", "hunter2\0"), /^client selected an invalid SASL/],
  ["a response that is too short", message("p", "SCRAM-SHA-256\0\0\0\0\x09n,,"), /shorter than its fields/],
  [
    "a response that is too long for its length",
    message("p", "SCRAM-SHA-256\0\0\0\0\x01n,,"),
    /^invalid message format$/,
  ],
  [
    "a response of more than 1024 bytes",
    message("p", Buffer.alloc(1025)),
    /is 1025 bytes long; at most 1024/,
  ],
  [
    "a response that claims a gigabyte",
    Buffer.concat([Buffer.from("p"), int32(2 ** 30)]),
    /at most 1024 are taken/,
  ],
  [
    "a query that claims a gigabyte",
    Buffer.concat([Buffer.from("Q"), int32(2 ** 30)]),
    /at most 1024 are taken/,
  ],
];
for (const [what, bytes, text] of REFUSED) {
  test(`${what} is refused with 08P01, and the connection ends`, async (t) => {
    const server = await guarded(t);
    const client = await RawClient.dial(server.tcp);
    client.send(startup({ user: "bob" }));
    await client.until("R");
    client.send(bytes);
    const messages = await client.rest();
    t.is(types(messages), "E");
    t.like(fields(messages[0]), { S: "FATAL", C: "08P01" });
    t.regex(fields(messages[0]).M ?? "", text);
  });
}

test("a client that does not authenticate in time is cut off, however slowly it goes on sending", async (t) => {
  const server = await guarded(t, { startupTimeoutMs: 300 });
  const client = await RawClient.dial(server.tcp);
  client.send(startup({ user: "bob" }));
  await client.until("R");
  const trickle = setInterval(() => client.send(Buffer.from("p")), 50);
  t.teardown(() => clearInterval(trickle));
  const begin = Date.now();
  t.false(types(await client.rest()).includes("Z"));
  t.true(Date.now() - begin < 5000);
});

test("a client that leaves when it is asked for a password is not worth a line in the log", async (t) => {
  const lines: string[] = [];
  const log = { info: () => {}, warn: (_details: object, text: string) => void lines.push(text) };
  const server = await guarded(t, { log });
  const client = await RawClient.dial(server.tcp);
  client.send(startup({ user: "bob" }));
  await client.until("R");
  client.socket.end();
  await client.rest();
  await logIn(await RawClient.dial(server.tcp), "bob", "hunter3");
  t.deepEqual(lines, ['Session ended: password authentication failed for user "bob"']);
});

test("the unix socket takes no password, and what the server's users are is not asked for it", async (t) => {
  const server = await guarded(t, { users: () => Promise.reject(new Error("asked")) });
  const connection = await connectSocket(server.path);
  t.is((await connection.query("x")).length, 1);
  await connection.close();
});

test("the users are those of the moment at which a client connects", async (t) => {
  let current: PasswordUsers | undefined;
  const server = await guarded(t, { users: async () => current });
  const open = await RawClient.start(server.tcp);
  current = users;
  const asked = await RawClient.dial(server.tcp);
  asked.send(startup({ user: "bob" }));
  t.regex((await asked.until("R"))[0]?.body ?? "", /SCRAM-SHA-256/);
  open.send(message("Q", "x\0"));
  t.is(types(await open.until("Z")), "TDCZ", "a session that is open goes on");
  current = undefined;
  await RawClient.start(server.tcp);
  t.pass();
});

test("where the users cannot be found out, nobody is let in", async (t) => {
  const users = () => Promise.reject(new NeonError("invalid_authorization_specification", "no users"));
  const server = await guarded(t, { users });
  const client = await RawClient.dial(server.tcp);
  client.send(startup({ user: "bob" }));
  const messages = await client.rest();
  t.is(types(messages), "E");
  t.like(fields(messages[0]), { S: "FATAL", C: "28000", M: "no users" });
});

test("the pg client and connect() log in with the password of a URI", async (t) => {
  const server = await guarded(t);
  const uri = `postgresql://bob:hunter2@${server.tcp}/`;
  const client = new pg.Client({ connectionString: uri });
  await client.connect();
  t.deepEqual((await client.query("x")).rows, [{ user: "bob" }]);
  await client.end();

  const connection = await connect({ uri });
  t.deepEqual((await connection.query("x"))[0]?.rows, [["bob"]]);
  await connection.close();
  const error = await t.throwsAsync(connect({ uri: uri.replace("hunter2", "hunter3") }));
  t.like(error, {
    code: "invalid_password",
    sqlstate: "28P01",
    message: 'password authentication failed for user "bob"',
    retryable: false,
  });
});
