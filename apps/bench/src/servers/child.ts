import { createRequire } from "node:module";
import type { Server } from "node:net";

/** What a server process and the bench say to each other. */
export interface Announcement {
  readonly port: number;
  /** Name and version of what is measured. */
  readonly version: string;
}

export interface MemoryReport {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  /** Buffers and other memory outside the JavaScript heap that V8 knows of. */
  readonly externalBytes: number;
}

export type Order = "memory" | "stop";

/** The port of a server that listens on TCP. */
export function portOf(server: { address(): ReturnType<Server["address"]> }): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen on a port");
  return address.port;
}

/** The version of an installed package. */
export function versionOf(name: string): string {
  const manifest: { readonly version: string } = createRequire(import.meta.url)(`${name}/package.json`);
  return manifest.version;
}

/**
 * Makes this process a server under the bench: tells its port, reports memory after a full collection (run with
 * `--expose-gc`), stops when told to or when the bench is gone.
 */
export function serveBench(announcement: Announcement): void {
  process.on("message", (order: Order) => {
    if (order === "stop") process.exit(0);
    globalThis.gc?.();
    globalThis.gc?.();
    const usage = process.memoryUsage();
    process.send?.({
      residentBytes: usage.rss,
      heapUsedBytes: usage.heapUsed,
      externalBytes: usage.external,
    } satisfies MemoryReport);
  });
  process.on("disconnect", () => process.exit(0));
  process.send?.(announcement);
}
