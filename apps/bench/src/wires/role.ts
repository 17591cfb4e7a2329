/** A process of the bench: `role.ts serve <program>` or `role.ts load <program>`, driven over IPC. */
import type { EchoClient, EchoProgram } from "./program.ts";

export interface Ready {
  readonly port: number;
  readonly version: string;
}

export type RoleOrder =
  | { readonly do: "cpu" }
  | { readonly do: "run"; readonly port: number; readonly operations: number; readonly inFlight: number }
  | { readonly do: "stop" };

/** Processor time of this process so far, and what a run took. */
export interface RoleReport {
  readonly cpuUs: number;
  readonly seconds: number;
}

const [role, file] = process.argv.slice(2);
if (file === undefined || (role !== "serve" && role !== "load")) throw new Error("usage: role.ts serve|load <program>");
const { program }: { readonly program: EchoProgram } = await import(file);

let client: EchoClient | undefined;

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function obey(order: RoleOrder): Promise<RoleReport> {
  if (order.do === "stop") process.exit(0);
  if (order.do === "cpu") return { cpuUs: cpuUs(), seconds: 0 };
  client ??= await program.connect(order.port);
  const [cpuBefore, began] = [cpuUs(), performance.now()];
  await client.run(order.operations, order.inFlight);
  return { cpuUs: cpuUs() - cpuBefore, seconds: (performance.now() - began) / 1_000 };
}

process.on("message", (order: RoleOrder) => {
  obey(order).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
const port = role === "serve" ? await program.serve() : 0;
process.send?.({ port, version: program.version } satisfies Ready);
