import test from "ava";
import { isLoopback, parseListenAddress } from "../../src/server/listen-address.js";

const GOOD: [text: string, host: string, port: number][] = [
  ["127.0.0.1:6400", "127.0.0.1", 6400],
  ["localhost:0", "localhost", 0],
  ["[::1]:65535", "::1", 65535],
  ["127.1.2.3:1", "127.1.2.3", 1],
];

for (const [text, host, port] of GOOD) {
  test(`${text} is an address to listen on`, (t) => {
    t.deepEqual(parseListenAddress(text), { host, port });
    t.true(isLoopback({ host, port }));
  });
}

for (const text of [
  "",
  "6400",
  "127.0.0.1",
  "127.0.0.1:",
  ":6400",
  "::1:6400",
  "127.0.0.1:65536",
  "127.0.0.1:-1",
  "a b:1",
  "postgresql://h:1/",
]) {
  test(`"${text}" is no address to listen on`, (t) => {
    t.throws(() => parseListenAddress(text), { code: "invalid_parameter_value" });
  });
}

for (const text of [
  "0.0.0.0:6400",
  "[::]:6400",
  "192.168.1.1:6400",
  "example.com:6400",
  "127.0.0.1.example.com:1",
]) {
  test(`${text} is reached from other machines`, (t) => {
    t.false(isLoopback(parseListenAddress(text)));
  });
}
