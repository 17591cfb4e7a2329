import type { CommandHost } from "../command-host.ts";

const SECOND_SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Fires when the command shall end: on Ctrl-C or SIGTERM, and when nobody reads its output any more (`polywire sub … |
 * head -1`). A second signal ends the process at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #host: CommandHost;

  constructor(host: CommandHost) {
    this.#host = host;
    host.signals.on("SIGINT", this.#onSignal);
    host.signals.on("SIGTERM", this.#onSignal);
    host.output.on("error", this.#onOutputGone);
    host.output.on("close", this.#onOutputGone);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    const { signals, output } = this.#host;
    signals.off("SIGINT", this.#onSignal);
    signals.off("SIGTERM", this.#onSignal);
    output.off("error", this.#onOutputGone);
    output.off("close", this.#onOutputGone);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.signal.aborted) this.#host.exit(SECOND_SIGNAL_CODES[signal as "SIGINT" | "SIGTERM"]);
    else this.#controller.abort();
  };

  readonly #onOutputGone = (): void => this.#controller.abort();
}
