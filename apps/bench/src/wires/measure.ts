import { fileURLToPath } from "node:url";
import type { Child, Processes } from "../processes.ts";
import type { Ready, RoleOrder, RoleReport } from "./role.ts";
import type { Wire } from "./wires.ts";

const readyDeadlineMs = 20_000;
const runDeadlineMs = 120_000;
/** Before anything is measured, as a share of what is: by then both sides run compiled code. */
const warmUpShare = 0.4;

export interface WireSample {
  readonly version: string;
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
  readonly operationsPerSecond: number;
}

export interface MeasureOptions {
  readonly fromSource: boolean;
  /** Divides the operations. */
  readonly haste: number;
}

/** CPU per operation of one program, client and server each in a process of its own on a core of its own. */
export async function measureWire(
  processes: Processes,
  { file, wire }: { readonly file: string; readonly wire: Wire },
  { fromSource, haste }: MeasureOptions,
): Promise<WireSample> {
  await using server = await startRole(processes, { role: "serve", file, fromSource });
  await using load = await startRole(processes, { role: "load", file, fromSource });
  const { inFlight } = wire;
  const operations = Math.ceil(wire.operations / haste);
  const { port } = server.ready;
  await load.order({ do: "run", port, operations: Math.ceil(operations * warmUpShare), inFlight });
  const before = await server.order({ do: "cpu" });
  const run = await load.order({ do: "run", port, operations, inFlight });
  const after = await server.order({ do: "cpu" });
  return {
    version: server.ready.version,
    clientCpuUs: run.cpuUs / operations,
    serverCpuUs: (after.cpuUs - before.cpuUs) / operations,
    operationsPerSecond: operations / run.seconds,
  };
}

interface RoleProcess extends AsyncDisposable {
  readonly ready: Ready;
  order(order: RoleOrder): Promise<RoleReport>;
}

async function startRole(
  processes: Processes,
  { role, file, fromSource }: { readonly role: "serve" | "load"; readonly file: string; readonly fromSource: boolean },
): Promise<RoleProcess> {
  const conditions = fromSource ? ["--conditions=@polywire/source"] : [];
  const program = fileURLToPath(import.meta.resolve("./role.ts"));
  const command = [process.execPath, ...conditions, program, role, file] as const;
  const side = role === "serve" ? "server" : "generator";
  const child: Child = processes.start([...command], ["ignore", "ignore", "pipe", "ipc"], side);
  const said = <Message>(what: string, deadlineMs: number): Promise<Message> =>
    child.expect<Message>(what, deadlineMs, (resolve) => {
      child.process.once("message", (message: Message) => resolve(message));
    });
  const ready = await said<Ready>("word that it is ready", readyDeadlineMs);
  return {
    ready,
    order(order) {
      const answer = said<RoleReport>(`report on "${order.do}"`, runDeadlineMs);
      child.process.send(order);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      if (child.process.connected) child.process.send({ do: "stop" } satisfies RoleOrder, () => {});
      await child.stopped();
    },
  };
}
