import { readFileSync } from "node:fs";

/** Descriptors that the process needs besides sockets: files, logs, the event loop's own. */
const RESERVED = 64;

/** How many files and sockets this process may have open, where the system tells. Node has raised it to the most already. */
export function openFileLimit(): number | undefined {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return line === null ? undefined : Number(line[1]);
  } catch {
    return undefined;
  }
}

/** How many sockets fit below the limit. */
export function socketsWithin(limit: number | undefined): number {
  return limit === undefined ? Number.MAX_SAFE_INTEGER : limit - RESERVED;
}
