import test from "ava";
import { ScramExchange } from "../../../src/pgwire/scram/scram-exchange.js";
import {
  createVerifier,
  mockVerifier,
  parseVerifier,
  type ScramVerifier,
} from "../../../src/pgwire/scram/scram-verifier.js";

// The example of RFC 7677, section 3: user "user", password "pencil".
const SALT = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
const SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const NONCE = `rOprNGfwEbeRWgbNEkqO${SERVER_NONCE}`;
const CLIENT_FIRST = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST = `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;
const PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const CLIENT_FINAL = `c=biws,r=${NONCE},p=${PROOF}`;
const SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const pencil = parseVerifier(await createVerifier(Buffer.from("pencil"), SALT)) as ScramVerifier;

function exchange(doomed = false): ScramExchange {
  return new ScramExchange(pencil, doomed, SERVER_NONCE);
}

test("the exchange of RFC 7677 runs as it is printed there", (t) => {
  const scram = exchange();
  t.is(scram.first(Buffer.from(CLIENT_FIRST)), SERVER_FIRST);
  t.is(scram.final(Buffer.from(CLIENT_FINAL)), SERVER_FINAL);
});

test("a wrong proof is refused, and so is a right one of a doomed exchange", (t) => {
  const wrong = exchange();
  wrong.first(Buffer.from(CLIENT_FIRST));
  t.is(wrong.final(Buffer.from(CLIENT_FINAL.replace("p=d", "p=e"))), undefined);

  const doomed = exchange(true);
  t.is(doomed.first(Buffer.from(CLIENT_FIRST)), SERVER_FIRST);
  t.is(doomed.final(Buffer.from(CLIENT_FINAL)), undefined);
});

test("a proof does not fit an exchange with another nonce", (t) => {
  const scram = new ScramExchange(pencil, false);
  const [nonce] = /(?<=^r=)[^,]+/.exec(scram.first(Buffer.from(CLIENT_FIRST))) ?? [];
  t.true(nonce?.startsWith("rOprNGfwEbeRWgbNEkqO") && nonce.length >= 20 + 24);
  t.is(scram.final(Buffer.from(`c=biws,r=${nonce},p=${PROOF}`)), undefined);
});

test("extensions that are optional are ignored, and are part of what is signed", (t) => {
  const scram = exchange();
  t.is(scram.first(Buffer.from(`${CLIENT_FIRST},x=1,y=`)), SERVER_FIRST);
  t.is(scram.final(Buffer.from(`c=biws,r=${NONCE},z=2,p=${PROOF}`)), undefined);
});

const BAD_FIRST: [message: string, code: string, text: string][] = [
  ["", "08P01", "The message is empty."],
  ["n,,n=,r=a\0", "08P01", "Message length does not match input length."],
  ["x,,n=,r=a", "08P01", 'Unexpected channel-binding flag "x".'],
  ["p=tls-server-end-point,,n=,r=a", "08P01", "without channel binding"],
  ["nn", "08P01", 'Comma expected, but found character "n".'],
  ["n,a=root,n=,r=a", "0A000", "authorization identity"],
  ["n,", "08P01", 'Unexpected attribute "0x00" in client-first-message.'],
  ["n,,m=1,n=,r=a", "0A000", "unsupported SCRAM extension"],
  ["n,,", "08P01", 'Expected attribute "n" but found "0x00".'],
  ["n,,n", "08P01", 'Expected character "=" for attribute "n".'],
  ["n,,n=,x=a", "08P01", 'Expected attribute "r" but found "x".'],
  ["n,,n=,r=a b", "08P01", "non-printable characters in SCRAM nonce"],
  ["n,,n=,r=\u00e4", "08P01", "non-printable characters in SCRAM nonce"],
  ["n,,n=,r=a,", "ok", ""],
  ["n,,n=,r=a,1=2", "08P01", 'Attribute expected, but found invalid character "1".'],
  ["n,,n=,r=a,\u00e4", "08P01", 'found invalid character "0xc3".'],
];
for (const [message, code, text] of BAD_FIRST) {
  test(`the client-first-message ${JSON.stringify(message)} gets ${code} ${text}`, (t) => {
    const take = () => exchange().first(Buffer.from(message));
    if (code === "ok") return t.notThrows(take);
    const error = t.throws(take) as Error & { sqlstate: string; detail?: string };
    t.is(error.sqlstate, code);
    t.true(`${error.message}\n${error.detail}`.includes(text), `${error.message}\n${error.detail}`);
  });
}

const BAD_FINAL: [message: string, text: string][] = [
  ["", "The message is empty."],
  [`r=${NONCE}`, 'Expected attribute "c" but found "r".'],
  [`c=eSws,r=${NONCE},p=${PROOF}`, "unexpected SCRAM channel-binding attribute in client-final-message"],
  ["c=biws", 'Expected attribute "r" but found "0x00".'],
  [`c=biws,r=${NONCE}`, "Attribute expected, but found end of string."],
  [`c=biws,r=${NONCE}x,p=${PROOF}`, "Nonce does not match."],
  [`c=biws,r=${NONCE},p=`, "Malformed proof in client-final-message."],
  [`c=biws,r=${NONCE},p=${PROOF}AAAA`, "Malformed proof in client-final-message."],
  [`c=biws,r=${NONCE},p=${PROOF.slice(0, -1)}`, "Malformed proof in client-final-message."],
  [`c=biws,r=${NONCE},p=${PROOF},x=1`, "Garbage found at the end of client-final-message."],
];
for (const [message, text] of BAD_FINAL) {
  test(`the client-final-message ${message.replace(NONCE, "NONCE").replace(PROOF, "PROOF")} gets ${text}`, (t) => {
    const scram = exchange();
    scram.first(Buffer.from(CLIENT_FIRST));
    const error = t.throws(() => scram.final(Buffer.from(message))) as Error & {
      sqlstate: string;
      detail?: string;
    };
    t.is(error.sqlstate, "08P01");
    t.true(`${error.message}\n${error.detail}`.includes(text), `${error.message}\n${error.detail}`);
  });
}

test("the stand-in for an unknown user has a salt of its own that stays, of the usual length", (t) => {
  const [nonce, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const { salt, iterations } = mockVerifier("eve", nonce);
  t.is(salt.length, 16);
  t.is(iterations, 4096);
  t.deepEqual(mockVerifier("eve", nonce).salt, salt);
  t.notDeepEqual(mockVerifier("adam", nonce).salt, salt);
  t.notDeepEqual(mockVerifier("eve", other).salt, salt);
});
