/**
 * Whether synchronous_standby_names (manual: 20.6.2) can mean a client of this application_name: by its name, in upper or
 * lower case, or by `*`, quoted or not.
 */
export function meansStandby(setting: string, applicationName: string): boolean {
  const [, list = ""] = /^\s*(?:(?:(?:FIRST|ANY)\s+)?\d+\s*\()?(.*?)\)?\s*$/is.exec(setting) ?? [];
  const ours = applicationName.toLowerCase();
  for (const [, quoted, bare = ""] of list.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)) {
    const name = quoted?.replaceAll('""', '"') ?? bare;
    if (name === "*" || name.toLowerCase() === ours) return true;
  }
  return false;
}
