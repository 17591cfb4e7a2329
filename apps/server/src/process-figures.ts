import { readdirSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { MetricFamily, MetricPoint } from "@polywire/core";
import { openFileLimit } from "./file-descriptors.ts";

/** How finely delays are measured. */
const RESOLUTION_MS = 10;

/** Figures of this process, under the names of OpenTelemetry's semantic conventions. */
export class ProcessFigures {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>;

  constructor() {
    this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#delay.enable();
  }

  /** Delays are those since the last call: for one who asks regularly. */
  metrics(): readonly MetricFamily[] {
    const { rss } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const { active, idle } = performance.eventLoopUtilization();
    const { used_heap_size: heap, heap_size_limit: heapLimit } = getHeapStatistics();
    const delays = [
      gauge(
        {
          name: "nodejs.eventloop.delay.p99",
          description: "How late the event loop was, in the worst hundredth.",
          unit: "s",
        },
        delaySeconds(this.#delay.percentile(99)),
      ),
      gauge(
        { name: "nodejs.eventloop.delay.max", description: "How late the event loop was at the worst.", unit: "s" },
        delaySeconds(this.#delay.max),
      ),
    ];
    this.#delay.reset();
    return [
      gauge({ name: "process.uptime", description: "Time since the process began.", unit: "s" }, process.uptime()),
      gauge({ name: "process.memory.usage", description: "Memory that the process has.", unit: "By" }, rss),
      gauge({ name: "v8js.memory.heap.used", description: "JavaScript objects.", unit: "By" }, heap),
      gauge(
        { name: "v8js.memory.heap.limit", description: "Where JavaScript objects end the process.", unit: "By" },
        heapLimit,
      ),
      counter({ name: "process.cpu.time", description: "Processor time." }, [
        { attributes: { "cpu.mode": "user" }, value: user / 1e6 },
        { attributes: { "cpu.mode": "system" }, value: system / 1e6 },
      ]),
      counter({ name: "nodejs.eventloop.time", description: "Time that the event loop worked or waited." }, [
        { attributes: { "nodejs.eventloop.state": "active" }, value: active / 1e3 },
        { attributes: { "nodejs.eventloop.state": "idle" }, value: idle / 1e3 },
      ]),
      ...delays,
      ...fileFamilies(),
    ];
  }

  close(): void {
    this.#delay.disable();
  }
}

/** Nanoseconds, with the sampling interval in them; nothing was sampled yet where there is no number. */
function delaySeconds(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3) : 0;
}

function fileFamilies(): MetricFamily[] {
  const limit = openFileLimit();
  const open = openFiles();
  if (limit === undefined || open === undefined) return [];
  return [
    gauge(
      {
        name: "process.unix.file_descriptor.count",
        description: "Files and sockets that the process has open.",
        unit: "{file_descriptor}",
      },
      open,
    ),
    gauge(
      {
        name: "process.unix.file_descriptor.limit",
        description: "How many it may have open.",
        unit: "{file_descriptor}",
      },
      limit,
    ),
  ];
}

function openFiles(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined;
  }
}

type Meaning = Pick<MetricFamily, "name" | "description" | "unit">;

function gauge(meaning: Meaning, value: number): MetricFamily {
  return { ...meaning, kind: "gauge", points: [{ attributes: {}, value }] };
}

function counter(meaning: Omit<Meaning, "unit">, points: readonly MetricPoint[]): MetricFamily {
  return { ...meaning, unit: "s", kind: "counter", points };
}
