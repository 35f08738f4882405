import test from "ava";
import { startCommands } from "../../../src/postgres/export/start-commands.js";

const OPTIONS = {
  directory: "/srv/copy",
  binaries: "/usr/lib/postgresql/15/bin",
  port: 5433,
  role: "postgres",
  keepConfig: false,
  ownedByRoot: false,
};

test("a copy is started, waited for and entered with three lines", (t) => {
  const bin = OPTIONS.binaries;
  t.deepEqual(startCommands(OPTIONS), [
    `${bin}/pg_ctl -D /srv/copy -l /srv/copy/startup.log start`,
    `until ${bin}/pg_isready -q -h /srv/copy/pg_stat_tmp -p 5433 || [ ! -e /srv/copy/postmaster.pid ]; do sleep 0.2; done`,
    `${bin}/psql -h /srv/copy/pg_stat_tmp -p 5433 -U postgres -d postgres`,
  ]);
});

test("names are quoted for a shell, and programs that were not found are left to PATH", (t) => {
  const commands = startCommands({
    ...OPTIONS,
    directory: "/srv/my copy's",
    binaries: undefined,
    role: "o'x",
  });
  t.is(commands[0], "pg_ctl -D '/srv/my copy'\\''s' -l '/srv/my copy'\\''s/startup.log' start");
  t.regex(commands[2] ?? "", /^psql .* -U 'o'\\''x' -d postgres$/);
});

test("a kept configuration is overridden on the command line, and root changes its user", (t) => {
  const commands = startCommands({ ...OPTIONS, keepConfig: true, ownedByRoot: true });
  t.deepEqual(commands.slice(0, 2), [
    "chown -R postgres /srv/copy",
    `su -s /bin/sh postgres -c '${OPTIONS.binaries}/pg_ctl -D /srv/copy -l /srv/copy/startup.log` +
      " -o '\\''-p 5433 -c unix_socket_directories=pg_stat_tmp'\\'' start'",
  ]);
});

test("a socket whose path is too long for the kernel gets a shorter one", (t) => {
  const directory = `/srv/${"d".repeat(100)}`;
  const commands = startCommands({ ...OPTIONS, directory });
  t.is(commands[1], `cd ${directory}/pg_stat_tmp`);
  t.regex(commands[2] ?? "", /pg_isready -q -h \/proc\/self\/cwd -p 5433/);
});
