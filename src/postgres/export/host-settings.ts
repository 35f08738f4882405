import type { ConfLine } from "./conf-line.js";

/** Settings of the source that are taken out whatever happens: with it the export would start the source's own files. */
const NEVER_KEPT = new Set(["data_directory"]);

/** Settings that name a file, directory or program of the source's host; the default is right where they are absent. */
const OF_THE_HOST = new Set([
  "hba_file",
  "ident_file",
  "external_pid_file",
  "krb_server_keyfile",
  "stats_temp_directory",
  "unix_socket_directories",
]);

/** Settings that may also name something in the data directory, which then came along. */
const OF_THE_HOST_IF_ABSOLUTE = new Set(["log_directory"]);
const TLS_FILES = /^ssl_(ca_file|cert_file|crl_dir|crl_file|dh_params_file|key_file)$/;
const ANY_HOST = new Set(["", "*", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1"]);

/** Decides which settings of the source's configuration must be taken out of its files. */
export class HostSettings {
  readonly #keepConfig: boolean;
  readonly #foreignTls: boolean;

  /** `settings` are all that the source's files set: TLS can only stay on if all its files came along. */
  constructor(settings: Iterable<ConfLine>, keepConfig: boolean) {
    this.#keepConfig = keepConfig;
    this.#foreignTls = Array.from(settings).some(
      ({ name, value }) => TLS_FILES.test(name) && isAbsolute(value),
    );
  }

  /** Whether this setting goes. */
  isTakenOut({ name, value }: ConfLine): boolean {
    if (NEVER_KEPT.has(name)) return true;
    if (this.#keepConfig) return false;
    if (OF_THE_HOST.has(name)) return true;
    if (OF_THE_HOST_IF_ABSOLUTE.has(name)) return isAbsolute(value);
    if (name === "ssl" || TLS_FILES.test(name)) return this.#foreignTls;
    if (name === "listen_addresses") return !value.split(",").every((host) => ANY_HOST.has(host.trim()));
    return false;
  }
}

function isAbsolute(path: string): boolean {
  return path.startsWith("/") || path.startsWith("\\") || /^[A-Za-z]:/.test(path);
}
