import { randomInt } from "node:crypto";

/** Which session a CancelRequest means. */
export class CancelKeys {
  readonly #sessions = new Map<number, { readonly secretKey: number; readonly cancel: () => void }>();

  /** Gives a session its BackendKeyData. Call `release` when it ends. */
  assign(cancel: () => void): { readonly processId: number; readonly secretKey: number } {
    let processId = randomInt(1, 2 ** 31);
    while (this.#sessions.has(processId)) processId = randomInt(1, 2 ** 31);
    const secretKey = randomInt(-(2 ** 31), 2 ** 31);
    this.#sessions.set(processId, { secretKey, cancel });
    return { processId, secretKey };
  }

  release(processId: number): void {
    this.#sessions.delete(processId);
  }

  /** Cancels what the session runs. A wrong key does nothing, and the client learns nothing. */
  cancel(processId: number, secretKey: number): void {
    const session = this.#sessions.get(processId);
    if (session?.secretKey === secretKey) session.cancel();
  }
}
