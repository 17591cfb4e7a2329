import { join } from "node:path";
import { Generator, type GeneratorProgram } from "./load/generator.ts";
import type { Command } from "./load/protocol.ts";
import { machineSeconds, processSeconds } from "./machine.ts";
import type { Options } from "./options.ts";
import type { Processes } from "./processes.ts";
import type { Measured, Sample, Scenario } from "./scenarios/scenario.ts";
import { type ServerProcess, startServer } from "./server-process.ts";
import type { ServerDefinition } from "./servers/index.ts";

/** One run of one scenario against one server: a sample, or why there is none. */
export interface Run {
  readonly scenario: string;
  readonly server: string;
  readonly round: number;
  readonly version: string | undefined;
  readonly sample: Sample | undefined;
  readonly error: string | undefined;
}

/** All rounds, interleaved: in each, every scenario meets every server once, so that a slow minute hits all of them. */
export async function runAll(
  options: Options,
  tools: { processes: Processes; program: GeneratorProgram },
  report: (run: Run) => void,
): Promise<readonly Run[]> {
  const runs: Run[] = [];
  for (let round = 0; round < options.runs; round++) {
    for (const scenario of options.scenarios) {
      for (const definition of options.servers) {
        const run = await runOne({ scenario, definition, round, options, ...tools });
        runs.push(run);
        report(run);
      }
    }
  }
  return runs;
}

interface Task {
  readonly scenario: Scenario;
  readonly definition: ServerDefinition;
  readonly round: number;
  readonly options: Options;
  readonly processes: Processes;
  readonly program: GeneratorProgram;
}

/** Where a run's CPU profile goes, when profiles are wanted. */
export function profileFile(folder: string, run: { scenario: string; server: string; round: number }): string {
  return join(folder, `${run.scenario}.${run.server}.${run.round + 1}.cpuprofile`);
}

async function runOne({ scenario, definition, round, options, processes, program }: Task): Promise<Run> {
  const name = { scenario: scenario.name, server: definition.name, round };
  const { profileFolder, fromSource, isQuick } = options;
  let version: string | undefined;
  try {
    await using server = await startServer(processes, definition, {
      fromSource,
      profileFile: profileFolder === undefined ? undefined : profileFile(profileFolder, name),
    });
    version = server.version;
    await using generator = new Generator(processes, program, { port: server.port, dialect: definition.dialect });
    const measure = (command: Command): Promise<Measured> => measured(server, generator, command);
    const sample = await scenario.run({ server, generator, isQuick, measure });
    return { ...name, version, sample, error: undefined };
  } catch (error) {
    return { ...name, version, sample: undefined, error: error instanceof Error ? error.message : String(error) };
  }
}

async function measured(server: ServerProcess, generator: Generator, command: Command): Promise<Measured> {
  const serverBefore = processSeconds(server.pid);
  const machineBefore = machineSeconds();
  const answer = await generator.run(command);
  const serverAfter = processSeconds(server.pid);
  const machineAfter = machineSeconds();
  const serverCpuSeconds =
    serverBefore === undefined || serverAfter === undefined ? undefined : serverAfter - serverBefore;
  if (serverCpuSeconds === undefined || machineBefore === undefined || machineAfter === undefined)
    return { ...answer, serverCpuSeconds, otherCores: undefined };
  const others = machineAfter - machineBefore - serverCpuSeconds - answer.cpuSeconds;
  return { ...answer, serverCpuSeconds, otherCores: Math.max(0, others / answer.seconds) };
}
