/** What the page server writes its log to: a pino logger, or {@link noLog}. */
export interface Logger {
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
  error(details: object, text: string): void;
}

/** Drops everything. */
export const noLog: Logger = { info: () => {}, warn: () => {}, error: () => {} };

/** A log file that is open. */
export interface LogFile extends Logger {
  /** Writes out what is buffered. */
  flush(): void;
}

/** Opens a log of JSON lines, made with mode 0600 or appended to. Lines are written at once: a crash loses none. */
export async function openLog(path: string): Promise<LogFile> {
  const { default: pino } = await import("pino");
  const destination = pino.destination({ dest: path, append: true, mode: 0o600, sync: true });
  const log = pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    info: (details, text) => log.info(details, text),
    warn: (details, text) => log.warn(details, text),
    error: (details, text) => log.error(details, text),
    flush: () => destination.flushSync(),
  };
}
