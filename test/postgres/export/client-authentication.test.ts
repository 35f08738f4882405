import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { createTemporaryDirectory } from "../../../scripts/support/temporary-directory.js";
import { clientAuthentication } from "../../../src/postgres/export/client-authentication.js";

test("lines that ask others or name what did not come along are taken out, and all others stay", async (t) => {
  const { path, remove } = await createTemporaryDirectory("neon-hba-");
  t.teardown(remove);
  await writeFile(join(path, "admins"), "alice\n");
  const stay = [
    "# ldap would be nice",
    "",
    "local all all peer map=staff",
    "host all all 127.0.0.1/32 trust",
    "hostssl all +staff 10.0.0.0/8 cert clientcert=verify-full",
    "host all @admins 10.0.0.0/8 scram-sha-256 # not ldap",
    'host "ldap db" all samenet md5',
    "host all all \\\r",
    "  samehost reject",
  ];
  const go = [
    'host all all 10.0.0.0/8 ldap ldapserver=ldap.example.com ldapbindpasswd="p w"',
    'host all all 10.0.0.0/8 radius radiusservers="10.0.0.1" radiussecrets="s"',
    "host all all 0.0.0.0/0 gss include_realm=0",
    "host all all 0.0.0.0/0 pam",
    "host all all 0.0.0.0/0 oauth issuer=https://example.com",
    "host all all 0.0.0.0/0 ident",
    "host all @/etc/admins 10.0.0.0/8 md5",
    "host @gone all 10.0.0.0/8 md5",
    "include /etc/pg_hba.more",
    "include_dir hba.d",
  ];
  const lines = [...stay, ...go, "host all all 10.0.0.0/8 \\", "  ldap ldapserver=x", ""];
  const { lines: written, takenOut } = await clientAuthentication(lines.join("\n"), path);
  t.is(takenOut, go.length + 1);
  const end = written.indexOf("# --- written by neon export: end ---");
  t.deepEqual(written.slice(end + 1), [
    ...stay,
    ...go.map((line) => `# taken out by neon export: ${line}`),
    "# taken out by neon export: host all all 10.0.0.0/8 \\",
    "# taken out by neon export:   ldap ldapserver=x",
    "",
  ]);
  const first = written.find((line) => !line.startsWith("#"));
  t.regex(first ?? "", /^local +all +all +trust$/);
});
