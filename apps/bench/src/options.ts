import { parseArgs } from "node:util";
import { groups } from "./scenarios/index.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { type ServerDefinition, servers } from "./servers/index.ts";

export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly servers: readonly ServerDefinition[];
  readonly runs: number;
  readonly isQuick: boolean;
  readonly jsonFile: string | undefined;
  readonly profileFolder: string | undefined;
  readonly generator: "c" | "node" | undefined;
  readonly fromSource: boolean;
}

export const usage: string = `usage: npm run bench -- [group] [options]

  Groups: speed (what is served to clients; the default), wires (each wire against its own library; takes --quick,
  --runs, --only, --json and --source) manager (connections against bare links; takes --runs and --source) and crowd
  (thousands of clients that come, go and recover; takes --clients, --minutes, --quick and --source).

  --quick            small counts, two rounds: under a minute, not to be quoted
  --runs N           rounds; in each, every scenario meets every server once (default 5)
  --only a,b         scenarios: ${[...groups.values()].flatMap((group) => group.map((each) => each.name)).join(", ")}
  --servers a,b      servers: ${servers.map((server) => server.name).join(", ")}
  --json FILE        all samples and ratios
  --profile FOLDER   a CPU profile per server process, and what took its time
  --generator KIND   c or node (default: c if cc is there)
  --source           run the workspace's packages from their sources instead of their builds`;

/** Throws an Error with one line to show for anything it does not know. */
export function readOptions(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      runs: { type: "string" },
      only: { type: "string" },
      servers: { type: "string" },
      json: { type: "string" },
      profile: { type: "string" },
      generator: { type: "string" },
      source: { type: "boolean", default: false },
    },
  });
  const [groupName = "speed", extra] = positionals;
  const group = groups.get(groupName);
  if (extra !== undefined) throw new Error(`one group at a time: "${extra}" is too much`);
  if (group === undefined) throw new Error(`no group "${groupName}"; there is ${[...groups.keys()].join(", ")}`);
  const runs = values.runs === undefined ? (values.quick ? 2 : 5) : Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1 || runs > 100)
    throw new Error(`--runs takes a whole number from 1 to 100, not "${values.runs}"`);
  const { generator } = values;
  if (generator !== undefined && generator !== "c" && generator !== "node")
    throw new Error(`--generator takes c or node, not "${generator}"`);
  return {
    scenarios: choose("--only", values.only, group),
    servers: choose("--servers", values.servers, servers),
    runs,
    isQuick: values.quick,
    jsonFile: values.json,
    profileFolder: values.profile,
    generator,
    fromSource: values.source,
  };
}

function choose<T extends { readonly name: string }>(
  option: string,
  names: string | undefined,
  all: readonly T[],
): readonly T[] {
  if (names === undefined) return all;
  return names.split(",").map((name) => {
    const found = all.find((each) => each.name === name.trim());
    if (found === undefined)
      throw new Error(`${option}: no "${name}"; there is ${all.map((each) => each.name).join(", ")}`);
    return found;
  });
}
