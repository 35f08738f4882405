import { spawn } from "node:child_process";

/**
 * Runs a shell script once this process is gone, however it went: exit, Ctrl-C or kill -9. The script sees `args` as
 * $1, $2 and so on. Returns a function that calls the guard off.
 */
export function guard(script: string, ...args: string[]): () => void {
  // The guard waits on a pipe that the kernel closes with this process; a line through it means "called off".
  // In a session of its own, it outlives the Ctrl-C that ends this one.
  const shell = spawn("sh", ["-c", `read -r _ && exit 0; ${script}`, "sh", ...args], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  shell.unref();
  shell.stdin.on("error", () => {}); // the shell may be gone before the line is written
  (shell.stdin as unknown as { unref(): void }).unref();
  return () => {
    shell.stdin.end("\n");
  };
}
