import type { Notice } from "../../pgwire/connection.js";

/** What is not worth telling (manual: client_min_messages). Anything else is a warning, or worse. */
const QUIET = /^(DEBUG\d?|LOG|INFO|NOTICE)$/;

/** Texts that are told one by one: a cluster with a million odd files would say a million. */
const MAX_TOLD = 100;

/** What a server's notice says to the user, if it is a warning. */
export function warningText({ severity, message, detail, hint }: Notice): string | undefined {
  if (QUIET.test(severity)) return undefined;
  return [`the server says ${severity}: ${message}`, detail, hint].filter((text) => text).join("; ");
}

/** Tells each text once, and of very many the first ones. */
export function tellOnce(tell: ((text: string) => void) | undefined): (text: string) => void {
  const told = new Set<string>();
  return (text) => {
    if (told.has(text) || told.size > MAX_TOLD) return;
    told.add(text);
    tell?.(told.size > MAX_TOLD ? "there is more of this kind, which is left out here" : text);
  };
}
