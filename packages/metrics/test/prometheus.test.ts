import { type MetricFamily, type MetricPoint, Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { prometheusText } from "../src/index.ts";
import { parseExposition } from "./exposition.ts";

function family(changes: Partial<MetricFamily>): MetricFamily {
  return { name: "shop.orders", description: "Orders.", unit: "{order}", kind: "counter", points: [], ...changes };
}

test("a family is its help, its type and its samples", () => {
  const points = [
    { attributes: { "shop.state": "paid", "shop.is_gift": true }, value: 3 },
    { attributes: {}, value: 0.5 },
  ];
  expect(prometheusText([family({ points })])).toBe(
    [
      "# HELP shop_orders_total Orders.",
      "# TYPE shop_orders_total counter",
      'shop_orders_total{shop_is_gift="true",shop_state="paid"} 3',
      "shop_orders_total 0.5",
      "",
    ].join("\n"),
  );
});

test("a histogram's buckets hold everything below them", () => {
  const histogram = { count: 6, sum: 106.6, bounds: [0.5, 1], counts: [2, 1, 3] };
  const points = [{ attributes: { a: "b" }, histogram }];
  expect(prometheusText([family({ name: "shop.wait", kind: "histogram", unit: "s", points })])).toBe(
    [
      "# HELP shop_wait_seconds Orders.",
      "# TYPE shop_wait_seconds histogram",
      'shop_wait_seconds_bucket{a="b",le="0.5"} 2',
      'shop_wait_seconds_bucket{a="b",le="1"} 3',
      'shop_wait_seconds_bucket{a="b",le="+Inf"} 6',
      'shop_wait_seconds_sum{a="b"} 106.6',
      'shop_wait_seconds_count{a="b"} 6',
      "",
    ].join("\n"),
  );
});

test.each([
  [{ name: "a.b", unit: "By", kind: "counter" }, "a_b_bytes_total"],
  [{ name: "a.b.bytes", unit: "By", kind: "gauge" }, "a_b_bytes"],
  [{ name: "a.total", unit: "{x}", kind: "counter" }, "a_total"],
  [{ name: "a.used", unit: "1", kind: "gauge" }, "a_used_ratio"],
  [{ name: "a.used", unit: "1", kind: "counter" }, "a_used_total"],
  [{ name: "a-b/c d", unit: "s", kind: "histogram" }, "a_b_c_d_seconds"],
  [{ name: "3g", unit: "{x}", kind: "gauge" }, "_3g"],
  [{ name: "", unit: "", kind: "gauge" }, "_"],
] as const)("%j is called %s", (changes, name) => {
  expect(parseExposition(prometheusText([family(changes)])).map((each) => each.name)).toEqual([name]);
});

test("labels that Prometheus keeps for itself get another name, and those that become one are joined", () => {
  const points = [{ attributes: { le: "1", __name__: "forged", "a.b": "x", a_b: "y", "": "z" }, value: 1 }];
  const [parsed] = parseExposition(prometheusText([family({ points })]));
  expect(Object.fromEntries(parsed?.samples[0]?.labels ?? [])).toEqual({
    attribute_le: "1",
    attribute_name__: "forged",
    a_b: "x;y",
    _: "z",
  });
});

test("figures of several networks are added up; what does not fit is left out, and a comment says so", () => {
  const histogram = { count: 1, sum: 1, bounds: [1], counts: [1, 0] };
  const other = { count: 1, sum: 1, bounds: [2], counts: [1, 0] };
  const text = prometheusText([
    family({ points: [{ attributes: { a: "1" }, value: 1 }] }),
    family({
      points: [
        { attributes: { a: "1" }, value: 2 },
        { attributes: { a: "2" }, value: 4 },
      ],
    }),
    family({ name: "shop.orders.total", kind: "gauge", points: [{ attributes: {}, value: 9 }] }),
    family({ name: "shop.wait", kind: "histogram", points: [{ attributes: {}, histogram }] }),
    family({ name: "shop.wait", kind: "histogram", points: [{ attributes: {}, histogram }] }),
    family({ name: "shop.wait", kind: "histogram", points: [{ attributes: {}, histogram: other }] }),
    family({ name: "shop.wait", kind: "gauge", points: [{ attributes: {}, value: 9 }] }),
  ]);
  const parsed = parseExposition(text);
  expect(parsed.map(({ name }) => name)).toEqual(["shop_orders_total", "shop_orders", "shop_wait"]);
  expect(parsed[0]?.samples.map(({ value }) => value)).toEqual([3, 4]);
  expect(parsed[2]?.samples.map(({ value }) => value)).toEqual([2, 2, 2, 2]);
  expect(text).toContain("# shop_wait is a histogram: a gauge of that name was left out\n");
});

/** What the format, the names and UTF-8 have trouble with is met often. */
const character = fc.oneof(
  fc.constantFrom(...'"\\\n\r{},= _:ab1', "\ud800", "é"),
  fc.string({ unit: "binary", maxLength: 1 }),
);
const word = fc.string({ unit: character, maxLength: 12 });
const number = fc.oneof(fc.integer(), fc.double());
const attributes = fc.dictionary(word, fc.oneof(word, fc.integer(), fc.boolean()), { maxKeys: 4 });
const counts = fc.array(fc.nat(1_000), { minLength: 3, maxLength: 3 });

const point = {
  value: fc.record({ attributes, value: number }),
  histogram: fc.record({
    attributes,
    histogram: counts.map((each) => ({
      count: each.reduce((sum, one) => sum + one),
      sum: 1,
      bounds: [0.1, 7],
      counts: each,
    })),
  }),
};

const families = fc.array(
  fc.constantFrom("counter" as const, "gauge" as const, "histogram" as const).chain((kind) =>
    fc.record({
      name: fc.oneof(word, fc.constantFrom("a.b", "a_b", "c")),
      description: word,
      unit: fc.constantFrom("s", "By", "1", "{x}", "?"),
      kind: fc.constant(kind),
      points: fc.array<MetricPoint>(kind === "histogram" ? point.histogram : point.value, { maxLength: 5 }),
    }),
  ),
  { maxLength: 6 },
);

test("whatever figures are called and hold, the text can be read back", () => {
  fc.assert(
    fc.property(families, (given) => {
      const parsed = parseExposition(prometheusText(given));
      for (const { kind, description } of given.slice(0, 1)) {
        expect(parsed[0]).toMatchObject({ type: kind, help: description.replace(/\p{Cs}/gu, "\ufffd") });
      }
    }),
  );
});

test("every label's value comes back as it was", () => {
  fc.assert(
    fc.property(word, (value) => {
      const [parsed] = parseExposition(prometheusText([family({ points: [{ attributes: { a: value }, value: 1 }] })]));
      expect(parsed?.samples[0]?.labels.get("a")).toBe(value.replace(/\p{Cs}/gu, "\ufffd"));
    }),
  );
});

test("a network's own figures can be read back, all of them", async () => {
  await using network = new Network({ protocols: [memory()] });
  await network.listen("memory://echo", {
    link: (link) => link.open({ message: (payload) => void link.send(payload), closed() {} }),
    exchange: (exchange) => exchange.respond({ status: 200 }),
  });
  const connection = await network.connect("memory://echo");
  connection.send("hello");
  await (await network.open("memory://echo")).request({ method: "GET" });
  await connection.close();
  const parsed = parseExposition(prometheusText(network.metrics()));
  expect(parsed).toHaveLength(network.metrics().length);
  const opened = parsed.find(({ name }) => name === "polywire_connection_opened_total");
  expect(opened?.samples.map(({ labels, value }) => [...labels.values(), value])).toEqual([
    ["memory", "dialled", 1],
    ["memory", "accepted", 1],
  ]);
});
