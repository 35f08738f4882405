import { NeonError } from "../errors.js";

/** Names of branches that are being made, so that whoever else wants one is refused at the start and not at the end. */
export class BranchClaims {
  readonly #names = new Set<string>();

  /** Whether an import makes the branch, or appends to it. */
  isHeld(name: string): boolean {
    return this.#names.has(name);
  }

  /** Throws 55006 if the name is claimed. */
  assertFree(name: string): void {
    if (!this.#names.has(name)) return;
    throw new NeonError("object_in_use", `branch "${name}" is being imported`, {
      hint: "Wait for that import, or choose another name.",
    });
  }

  /** Runs `work` while the name is claimed. Throws 55006 if it is claimed already. */
  async hold<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.assertFree(name);
    this.#names.add(name);
    try {
      return await work();
    } finally {
      this.#names.delete(name);
    }
  }
}
