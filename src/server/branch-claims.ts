import { NeonError } from "../errors.js";

/** Names of branches that are being made, so that a second import of one fails at its start and not at its end. */
export class BranchClaims {
  readonly #names = new Set<string>();

  /** Runs `work` while the name is claimed. Throws 55006 if it is claimed already. */
  async hold<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#names.has(name)) {
      throw new NeonError("object_in_use", `branch "${name}" is being imported`, {
        hint: "Wait for that import, or choose another name.",
      });
    }
    this.#names.add(name);
    try {
      return await work();
    } finally {
      this.#names.delete(name);
    }
  }
}
