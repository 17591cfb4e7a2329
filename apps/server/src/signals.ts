import type { Logger } from "@polywire/core";
import type { RunningServer } from "./server.ts";
import type { Terminal } from "./terminal.ts";

/** Signals as `process` tells them. */
export interface SignalSource {
  on(signal: "SIGTERM" | "SIGINT" | "SIGHUP", listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: "SIGTERM" | "SIGINT" | "SIGHUP", listener: (signal: NodeJS.Signals) => void): unknown;
}

/** What a shell shows for a process that a signal ended: 128 and the signal's number. */
const SECOND_SIGNAL_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export interface ServeOptions {
  readonly logger: Logger;
  readonly signals: SignalSource;
  /** Reads the configuration anew, at every SIGHUP. */
  readonly reload: () => void;
  readonly terminal: Pick<Terminal, "hasGone">;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
}

/**
 * Serves until the first SIGTERM or SIGINT, then stops politely; fulfilled with 0. A second one exits at once. SIGHUP means
 * reload, and nothing any more once the server stops; but when the terminal has gone it means to stop.
 */
export function serveUntilSignal(server: RunningServer, options: ServeOptions): Promise<number> {
  const { logger, signals, reload, terminal, exit } = options;
  return new Promise((resolve, reject) => {
    let isStopping = false;
    const release = (): void => {
      signals.off("SIGTERM", onSignal);
      signals.off("SIGINT", onSignal);
      signals.off("SIGHUP", onReload);
    };
    const onReload = (): void => {
      // Whoever closes his terminal wants no server that nobody sees any more.
      if (terminal.hasGone) onSignal("SIGHUP");
      else if (!isStopping) reload();
    };
    const onSignal = (signal: NodeJS.Signals): void => {
      if (isStopping) {
        exit(SECOND_SIGNAL_CODES[signal as keyof typeof SECOND_SIGNAL_CODES]);
        return;
      }
      isStopping = true;
      logger.log("info", "server", "stopping", { signal });
      server.stop().then(
        () => {
          release();
          logger.log("info", "server", "stopped");
          resolve(0);
        },
        (thrown: unknown) => {
          release();
          reject(thrown);
        },
      );
    };
    signals.on("SIGTERM", onSignal);
    signals.on("SIGINT", onSignal);
    signals.on("SIGHUP", onReload);
  });
}
