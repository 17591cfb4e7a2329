/** What has to be done before the process ends, in the order in which it was asked for. */
const last = new Set<() => void>();

let isListening = false;
let isEnding = false;

/** Whether the process is exiting: nothing that is begun now can be waited for. */
export function isExiting(): boolean {
  return isEnding;
}

/**
 * Calls `work` when the process exits, until {@link notAtExit} takes it back. It has to be synchronous, and must not
 * throw. One listener, which changes no exit code and holds no exit up, serves every logger.
 */
export function atExit(work: () => void): void {
  last.add(work);
  if (isListening) return;
  isListening = true;
  process.on("exit", function doLast() {
    isEnding = true;
    for (const each of last) each();
  });
}

export function notAtExit(work: () => void): void {
  last.delete(work);
}
