/** For how long the frames of a session that broke off are kept, in seconds. */
const LEASE_SECONDS = 24 * 3600;

/** Until when the frames of a session that breaks off now are kept, in seconds since 1970. */
export function leaseDeadline(): bigint {
  return BigInt(Math.floor(Date.now() / 1000) + LEASE_SECONDS);
}
