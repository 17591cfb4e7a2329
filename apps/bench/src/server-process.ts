import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Child, Processes } from "./processes.ts";
import type { Announcement, MemoryReport, Order } from "./servers/child.ts";
import type { ServerDefinition } from "./servers/index.ts";

const readyDeadlineMs = 15_000;
const memoryDeadlineMs = 15_000;

export interface ServerOptions {
  /** Run the workspace's packages from their sources instead of their builds. */
  readonly fromSource: boolean;
  /** Write a CPU profile here when the server stops. */
  readonly profileFile: string | undefined;
}

/** A running server under measurement. */
export class ServerProcess implements AsyncDisposable {
  readonly definition: ServerDefinition;
  readonly port: number;
  readonly version: string;
  readonly #child: Child;

  constructor(definition: ServerDefinition, child: Child, announcement: Announcement) {
    this.definition = definition;
    this.port = announcement.port;
    this.version = announcement.version;
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** After a full collection. */
  memory(): Promise<MemoryReport> {
    return this.#child.expect<MemoryReport>("memory report", memoryDeadlineMs, (resolve) => {
      this.#child.process.once("message", (report: MemoryReport) => resolve(report));
      this.#child.process.send("memory" satisfies Order);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.process.connected) this.#child.process.send("stop" satisfies Order, () => {});
    await this.#child.stopped();
  }
}

export async function startServer(
  processes: Processes,
  definition: ServerDefinition,
  options: ServerOptions,
): Promise<ServerProcess> {
  const flags = ["--expose-gc"];
  if (options.fromSource) flags.push("--conditions=@polywire/source");
  if (options.profileFile !== undefined) {
    flags.push("--cpu-prof", "--cpu-prof-dir", join(options.profileFile, ".."));
    flags.push("--cpu-prof-name", options.profileFile.slice(join(options.profileFile, "..").length + 1));
  }
  const command = [process.execPath, ...flags, fileURLToPath(definition.file)] as const;
  const child = processes.start([...command], ["ignore", "ignore", "pipe", "ipc"], "server");
  const announcement = await child.expect<Announcement>("port", readyDeadlineMs, (resolve) => {
    child.process.once("message", (message: Announcement) => resolve(message));
  });
  return new ServerProcess(definition, child, announcement);
}
