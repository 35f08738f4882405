import { spawn } from "node:child_process";

/**
 * Ends a server and removes directories once this process is gone, however it went. Returns a function that calls that
 * off, for when the server has ended.
 */
export function guardServer(pid: number, ...directories: string[]): () => void {
  // The shell waits on a pipe that the kernel closes with this process; a line through it means "called off". In a
  // session of its own it outlives the Ctrl-C that ends this one.
  const script =
    'read -r _ && exit 0; pid=$1; shift; kill -QUIT "$pid"; ' +
    'for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 1; done; rm -rf "$@"';
  const shell = spawn("sh", ["-c", script, "sh", String(pid), ...directories], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  shell.on("error", () => {}); // then the next start removes what stays
  shell.unref();
  const { stdin } = shell;
  stdin.on("error", () => {}); // the shell may be gone before the line is written
  (stdin as unknown as { unref?(): void }).unref?.();
  return () => stdin.end("\n");
}
