import { expect, it } from "vitest";
import { type FilterNode, tagsFilter } from "../src/tags-filter.ts";

const node = (given: Partial<FilterNode>): FilterNode => ({
  op: "",
  key: "",
  cmp: "",
  val: "",
  vals: [],
  nodes: [],
  ...given,
});
const leaf = (cmp: string, val: string, key = "k"): FilterNode => node({ key, cmp, val });
const matches = (filter: FilterNode, tags: Record<string, string>): boolean | undefined =>
  tagsFilter(filter)?.(new Map(Object.entries(tags)));

it.each([
  [leaf("eq", "a"), { k: "a" }, true],
  [leaf("eq", "a"), {}, false],
  [leaf("neq", "a"), {}, true],
  [leaf("neq", "a"), { k: "a" }, false],
  [node({ key: "k", cmp: "in", vals: ["a", "b"] }), { k: "b" }, true],
  [node({ key: "k", cmp: "in", vals: ["a", ""] }), {}, true],
  [node({ key: "k", cmp: "nin", vals: ["a"] }), {}, true],
  [node({ key: "k", cmp: "nin", vals: ["a"] }), { k: "a" }, false],
  [node({ key: "k", cmp: "ex" }), { k: "" }, true],
  [node({ key: "k", cmp: "nex" }), { k: "" }, false],
  [leaf("sw", "ab"), { k: "abc" }, true],
  [leaf("ew", "bc"), { k: "abc" }, true],
  [leaf("ct", "b"), { k: "abc" }, true],
  [leaf("ct", "x"), {}, false],
  [leaf("gt", "9"), { k: "10" }, true],
  [leaf("gt", "9007199254740992"), { k: "9007199254740993" }, true],
  [leaf("gte", "1.50"), { k: "1.5" }, true],
  [leaf("lt", "-1"), { k: "-1.01" }, true],
  [leaf("lte", "0"), { k: "zero" }, false],
  [leaf("gte", "zero"), { k: "0" }, false],
  [leaf("lte", "5"), {}, false],
  [node({ op: "and", nodes: [leaf("eq", "a"), leaf("gt", "5", "p")] }), { k: "a", p: "6" }, true],
  [node({ op: "and", nodes: [leaf("eq", "a"), leaf("gt", "5", "p")] }), { k: "a", p: "5" }, false],
  [node({ op: "or", nodes: [leaf("eq", "a"), leaf("eq", "b")] }), { k: "b" }, true],
  [node({ op: "not", nodes: [leaf("eq", "a")] }), { k: "a" }, false],
])("%j of %j is %j", (filter, tags, expected) => {
  expect(matches(filter, tags as Record<string, string>)).toBe(expected);
});

const nested = (depth: number): FilterNode =>
  depth === 1 ? leaf("eq", "a") : node({ op: "not", nodes: [nested(depth - 1)] });
const many = (count: number): FilterNode =>
  node({ op: "or", nodes: Array.from({ length: count }, () => leaf("eq", "a")) });

it.each([
  ["no comparison", node({ key: "k" })],
  ["an unknown comparison", leaf("like", "a")],
  ["no value", node({ key: "k", cmp: "eq" })],
  ["values where one is needed", node({ key: "k", cmp: "eq", val: "a", vals: ["b"] })],
  ["one value where a list is needed", leaf("in", "a")],
  ["a value where none is needed", leaf("ex", "a")],
  ["no key", leaf("eq", "a", "")],
  ["an unknown operator", node({ op: "xor", nodes: [leaf("eq", "a")] })],
  ["an operator over nothing", node({ op: "and" })],
  ["not of two", node({ op: "not", nodes: [leaf("eq", "a"), leaf("eq", "b")] })],
  ["something wrong inside", node({ op: "and", nodes: [leaf("eq", "a"), node({})] })],
  ["9 levels", nested(9)],
  ["65 nodes", many(64)],
  ["257 values", node({ key: "k", cmp: "in", vals: Array.from({ length: 257 }, String) })],
  ["5,000 characters", leaf("eq", "a".repeat(5_000))],
])("a filter with %s is none", (_, filter) => {
  expect(tagsFilter(filter)).toBeUndefined();
});

it("takes 8 levels, and 64 nodes", () => {
  expect(tagsFilter(nested(8))).toBeDefined();
  expect(tagsFilter(many(63))).toBeDefined();
});
