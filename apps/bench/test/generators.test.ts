import { expect, test } from "vitest";
import { Generator, generatorProgram } from "../src/load/generator.ts";
import { findOnPath } from "../src/machine.ts";
import { Processes } from "../src/processes.ts";
import { startServer } from "../src/server-process.ts";
import { servers } from "../src/servers/index.ts";

const hasC = process.platform === "linux" && findOnPath("cc") !== undefined;
const kinds = hasC ? (["c", "node"] as const) : (["node"] as const);
const cases = kinds.flatMap((kind) => servers.map((server) => ({ kind, server, name: server.name })));

test.each(cases)(
  "the $kind generator counts every delivery of $name",
  { timeout: 30_000 },
  async ({ kind, server }) => {
    const processes = new Processes(undefined);
    await using running = await startServer(processes, server, { fromSource: true, profileFile: undefined });
    await using generator = new Generator(processes, generatorProgram(kind), {
      port: running.port,
      dialect: server.dialect,
    });

    const opened = await generator.run({ name: "open", clients: 20, channels: 4, inFlight: 8, subscribe: true });
    expect(opened).toMatchObject({ ready: 20, closed: 0 });
    await generator.run({ name: "publisher" });

    const rate = await generator.run({ name: "rate", perSecond: 400, milliseconds: 100, ceilingMs: 5_000 });
    expect(rate).toMatchObject({ publications: 40, expected: 200, received: 200, disordered: 0, closed: 0 });
    expect(rate.p50Us).toBeGreaterThan(0);
    expect(rate.maximumUs).toBeGreaterThanOrEqual(rate.p99Us);

    await generator.run({ name: "close" });
    await generator.run({ name: "open", clients: 10, channels: 1, inFlight: 8, subscribe: true });
    await generator.run({ name: "publisher" });
    const fanOut = await generator.run({ name: "fanout", milliseconds: 50 });
    expect(fanOut.publications).toBeGreaterThan(0);
    expect(fanOut).toMatchObject({ expected: fanOut.publications * 10, received: fanOut.expected, disordered: 0 });

    const memory = await running.memory();
    expect(memory.residentBytes).toBeGreaterThan(memory.heapUsedBytes);
  },
);
