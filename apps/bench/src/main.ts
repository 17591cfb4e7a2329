import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { benchCrowd, type CrowdOptions, readCrowdOptions } from "./crowd/main.ts";
import { type GeneratorProgram, generatorProgram } from "./load/generator.ts";
import { type Placement, placement, processorName } from "./machine.ts";
import { benchManager, type ManagerOptions, readManagerOptions } from "./manager/main.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { Processes } from "./processes.ts";
import { readProfile, summarizeProfile } from "./profile.ts";
import { figure, render, rowOf, verdictsOf } from "./report.ts";
import { profileFile, type Run, runAll } from "./run.ts";
import { benchWires, readWireOptions, type WireOptions } from "./wires/main.ts";

function parse(): Options | undefined {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return undefined;
  }
}

function header(options: Options, program: GeneratorProgram, placed: Placement | undefined): string {
  const lines = [
    `Node ${process.versions.node}, ${process.platform} ${release()}, ${processorName()}`,
    placed === undefined
      ? "not pinned: no taskset here or a single core, so server and generator share what they find"
      : `server pinned to core ${placed.serverCore}, load generator to core ${placed.generatorCore}`,
    `load generator: ${program.kind === "c" ? "C, epoll" : "Node"}${program.note === undefined ? "" : ` (${program.note})`}`,
    `${options.runs} interleaved rounds, medians; ratios are medians of the rounds' own ratios`,
  ];
  if (options.isQuick) lines.push("quick: small counts and short times, to see that it works and not to be quoted");
  if (options.fromSource) lines.push("Polywire runs from its sources");
  return lines.join("\n");
}

function versions(runs: readonly Run[]): string {
  return [...new Set(runs.map((run) => run.version).filter((version) => version !== undefined))].join(", ");
}

function writeJson(file: string, options: Options, runs: readonly Run[]): void {
  const rows = options.scenarios.flatMap((scenario) => options.servers.map((server) => rowOf(runs, scenario, server)));
  const result = {
    node: process.versions.node,
    platform: `${process.platform} ${release()}`,
    processor: processorName(),
    isQuick: options.isQuick,
    versions: versions(runs),
    rows: rows.filter((row) => row !== undefined),
    verdicts: options.scenarios.flatMap((scenario) => verdictsOf(runs, scenario)),
    runs,
  };
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
}

function printProfiles(folder: string, runs: readonly Run[]): void {
  for (const run of runs) {
    const file = profileFile(folder, run);
    if (run.round > 0 || !existsSync(file)) continue;
    console.log(`\n## ${run.scenario}, ${run.server}: own time (${file})\n`);
    console.log(summarizeProfile(readProfile(file), 40));
  }
}

async function main(options: Options): Promise<number> {
  const placed = placement();
  const processes = new Processes(placed);
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => process.exit(code));
  }
  process.once("exit", () => processes.killAll());
  const program = generatorProgram(options.generator);
  if (options.profileFolder !== undefined) mkdirSync(options.profileFolder, { recursive: true });
  console.log(`${header(options, program, placed)}\n`);
  const runs = await runAll(options, { processes, program }, ({ scenario, server, round, sample, error }) => {
    const outcome = sample === undefined ? `FAILED: ${error}` : figure(sample.value);
    console.error(`round ${round + 1} of ${options.runs}, ${scenario}, ${server}: ${outcome}`);
  });
  console.log(`\nmeasured: ${versions(runs)}\n`);
  console.log(render(runs, options.scenarios, options.servers));
  if (options.jsonFile !== undefined) writeJson(options.jsonFile, options, runs);
  if (options.profileFolder !== undefined) printProfiles(options.profileFolder, runs);
  return runs.some((run) => run.error !== undefined) ? 1 : 0;
}

/** Wires against their own libraries: nothing is served to clients there, so it has another form. */
async function mainOfWires(argv: readonly string[]): Promise<number> {
  let wireOptions: WireOptions;
  try {
    wireOptions = readWireOptions(argv);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  return await benchWires(wireOptions);
}

/** The connection manager against bare links, within one process. */
async function mainOfManager(argv: readonly string[]): Promise<number> {
  let managerOptions: ManagerOptions;
  try {
    managerOptions = readManagerOptions(argv);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  return await benchManager(managerOptions);
}

/** Thousands of clients on one process. */
async function mainOfCrowd(argv: readonly string[]): Promise<number> {
  let crowdOptions: CrowdOptions;
  try {
    crowdOptions = readCrowdOptions(argv);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  return await benchCrowd(crowdOptions);
}

const [group, ...groupArguments] = process.argv.slice(2);
if (group === "wires") {
  process.exitCode = await mainOfWires(groupArguments);
} else if (group === "manager") {
  process.exitCode = await mainOfManager(groupArguments);
} else if (group === "crowd") {
  process.exitCode = await mainOfCrowd(groupArguments);
} else {
  const options = parse();
  process.exitCode = options === undefined ? 2 : await main(options);
}
