export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/**
 * Where Polywire tells what happens. Messages are constant phrases ("connection opened"); everything that varies is in
 * the fields, so that people can search and programs can count. Never called on the data path.
 */
export interface Logger {
  /** Must not throw. `component` is a short name such as `network`, `ws` or `hub`. */
  log(level: LogLevel, component: string, message: string, fields?: LogFields): void;
  /**
   * Whether events of the level go anywhere; lets a caller skip the making of their fields. Absent: they do. Levels may
   * differ by component; who names none is told whether those of any component go anywhere.
   */
  isEnabled?(level: LogLevel, component?: string): boolean;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** Says nothing. */
export const silentLogger: Logger = {
  log() {},
  isEnabled: () => false,
};
