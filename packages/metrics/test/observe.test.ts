import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { type MetricFamily, Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { expect, test } from "vitest";
import { observe } from "../src/opentelemetry.ts";

/** Collects when a test says so. */
class TestReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

interface Told {
  readonly unit: string;
  readonly description: string;
  readonly points: Record<string, unknown>;
}

/** A meter, and what a collection tells: by name, each point under its attributes. */
function openMeter(): { meter: ReturnType<MeterProvider["getMeter"]>; collect: () => Promise<Record<string, Told>> } {
  const reader = new TestReader();
  const provider = new MeterProvider({ readers: [reader] });
  return {
    meter: provider.getMeter("polywire"),
    async collect() {
      const { resourceMetrics, errors } = await reader.collect();
      expect(errors).toEqual([]);
      const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
      return Object.fromEntries(
        metrics.map(({ descriptor, dataPoints }) => [
          descriptor.name,
          {
            unit: descriptor.unit,
            description: descriptor.description,
            points: Object.fromEntries(
              dataPoints.map((point) => [Object.values(point.attributes).join(" "), point.value]),
            ),
          },
        ]),
      );
    },
  };
}

test("the SDK collects a network's figures, whenever it asks", async () => {
  const { meter, collect } = openMeter();
  await using network = new Network({ protocols: [memory()] });
  observe(meter, network);
  await network.listen("memory://echo", (link) => link.open({ message() {}, closed() {} }));
  const connection = await network.connect("memory://echo");
  connection.send("hello");
  expect((await collect())["polywire.connection.messages"]).toEqual({
    unit: "{message}",
    description: "Messages received and accepted for sending; chunks where a wire has no messages.",
    points: {
      "memory dialled receive": 0,
      "memory dialled transmit": 1,
      "memory accepted receive": expect.any(Number),
      "memory accepted transmit": 0,
    },
  });
  await connection.close();
  const told = await collect();
  expect(told["polywire.connection.messages"]?.points).toMatchObject({ "memory dialled transmit": 1 });
  expect(told["polywire.connection.closed"]?.points).toMatchObject({ "memory dialled local": 1 });
  expect(told["polywire.dial.duration.count"]?.points).toEqual({ memory: 1 });
  expect(told["polywire.dial.duration.sum"]?.unit).toBe("s");
});

test("figures are computed once in each collection, and not at all after the end", async () => {
  const { meter, collect } = openMeter();
  let computed = 0;
  const family: MetricFamily = {
    name: "a",
    description: "",
    unit: "1",
    kind: "gauge",
    points: [{ attributes: {}, value: 7 }],
  };
  const end = observe(meter, {
    metrics: () => {
      computed++;
      return [family, { ...family, name: "b" }];
    },
  });
  expect(computed).toBe(1);
  expect(Object.keys(await collect())).toEqual(["a", "b"]);
  expect(computed).toBe(2);
  end();
  await collect();
  expect(computed).toBe(2);
});

test("a figure that comes later is there from the second collection on", async () => {
  const { meter, collect } = openMeter();
  const first: MetricFamily = { name: "first", description: "", unit: "1", kind: "gauge", points: [] };
  const late: MetricFamily = { ...first, name: "late", kind: "counter", points: [{ attributes: {}, value: 1 }] };
  const families = [first];
  const end = observe(meter, { metrics: () => families });
  families.push(late);
  await collect();
  expect((await collect())["late"]?.points).toEqual({ "": 1 });

  families.push({ ...late, name: "too late" });
  const collected = collect();
  end();
  await collected;
  await collect();
  expect(await collect()).not.toHaveProperty("too late");
});
