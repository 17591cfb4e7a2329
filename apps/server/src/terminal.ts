import { closeSync, openSync } from "node:fs";

/**
 * Tells whether the terminal that the process was started at has gone. SIGHUP means that there, and "read your configuration"
 * everywhere else.
 */
export class Terminal {
  readonly #wasThere = isThere();

  get hasGone(): boolean {
    return this.#wasThere && !isThere();
  }
}

/** The terminal of a process has this name for it, whatever became of its input and output. */
function isThere(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
