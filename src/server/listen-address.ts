import { NeonError } from "../errors.js";

/** Where a page server listens for TCP connections. */
export interface ListenAddress {
  /** Host name or address, an IPv6 address without brackets. */
  readonly host: string;
  /** Port; 0 lets the operating system choose. */
  readonly port: number;
}

/** Reads `host:port` or `[IPv6]:port`. Throws 22023 if the text is neither. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/@]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65535) {
    throw new NeonError("invalid_parameter_value", `"${text}" is not an address to listen on`, {
      hint: "Write host:port, such as 127.0.0.1:6400 or [::1]:6400.",
    });
  }
  return { host, port };
}

/** Whether an address is reached from this machine only: there a page server may listen without users. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === "localhost" || host === "::1" || /^127(\.[0-9]{1,3}){3}$/.test(host);
}
