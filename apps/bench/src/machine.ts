import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { delimiter, join } from "node:path";

/** Linux counts processor time in ticks of 1/100 s for every user program, whatever the kernel's own rate. */
const ticksPerSecond = 100;

/** Which core the server and the generator get. */
export interface Placement {
  readonly taskset: string;
  readonly serverCore: number;
  readonly generatorCore: number;
}

export function findOnPath(command: string): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder !== "" && existsSync(join(folder, command))) return join(folder, command);
  }
  return undefined;
}

/** Undefined where processes cannot be pinned: no `taskset`, or a single core. */
export function placement(): Placement | undefined {
  const taskset = process.platform === "linux" ? findOnPath("taskset") : undefined;
  if (taskset === undefined || availableParallelism() < 2) return undefined;
  return { taskset, serverCore: 0, generatorCore: 1 };
}

export function processorName(): string {
  return cpus()[0]?.model.trim() ?? "unknown processor";
}

/** User and kernel time of a process since it started, in seconds; undefined where there is no /proc. */
export function processSeconds(pid: number): number | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The command's name may hold spaces: count fields from behind its closing parenthesis (proc(5), fields 14 and 15).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Busy time of the whole machine, all cores, in seconds: everything but idle and waiting for disks. */
export function machineSeconds(): number | undefined {
  const [, user, nice, system, , , irq, softIrq, steal] = readProc("/proc/stat")?.split("\n")[0]?.split(/\s+/) ?? [];
  if (steal === undefined) return undefined;
  return [user, nice, system, irq, softIrq, steal].reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
