/**
 * A question about a publication's tags, as it comes from a client: a comparison of one tag (`op` empty), or others joined
 * by `and`, `or` and `not`.
 */
export interface FilterNode {
  readonly op: string;
  readonly key: string;
  readonly cmp: string;
  readonly val: string;
  readonly vals: readonly string[];
  readonly nodes: readonly FilterNode[];
}

type Tags = ReadonlyMap<string, string>;

/** Whether a publication with these tags is wanted. */
export type TagsFilter = (tags: Tags) => boolean;

/** Every publication is held against every subscriber's filter, so filters are small. */
const MAX_NODES = 64;
const MAX_DEPTH = 8;
const MAX_VALUES = 256;
const MAX_CHARACTERS = 4_096;

/** Longer numbers compare as nothing. */
const MAX_DIGITS = 64;

type Comparison = (value: string | undefined, wanted: string) => boolean;

/** With one value. A tag that is absent is unequal to everything and nothing else. */
const ONE_VALUE: ReadonlyMap<string, Comparison> = new Map<string, Comparison>([
  ["eq", (value, wanted) => value === wanted],
  ["neq", (value, wanted) => value !== wanted],
  ["sw", (value, wanted) => value?.startsWith(wanted) === true],
  ["ew", (value, wanted) => value?.endsWith(wanted) === true],
  ["ct", (value, wanted) => value?.includes(wanted) === true],
  ["gt", (value, wanted) => order(value, wanted) > 0],
  ["gte", (value, wanted) => order(value, wanted) >= 0],
  ["lt", (value, wanted) => order(value, wanted) < 0],
  ["lte", (value, wanted) => order(value, wanted) <= 0],
]);

/** The filter that a client asks for; `undefined` for one that is malformed or too large. */
export function tagsFilter(root: FilterNode): TagsFilter | undefined {
  const size = { nodes: 0, values: 0, characters: 0 };
  const filter = make(root, 1, size);
  const isTooLarge = size.nodes > MAX_NODES || size.values > MAX_VALUES || size.characters > MAX_CHARACTERS;
  return isTooLarge ? undefined : filter;
}

interface Size {
  nodes: number;
  values: number;
  characters: number;
}

function make(node: FilterNode, depth: number, size: Size): TagsFilter | undefined {
  size.nodes++;
  size.values += node.vals.length;
  size.characters += node.key.length + node.val.length;
  for (const value of node.vals) size.characters += value.length;
  if (depth > MAX_DEPTH || size.nodes > MAX_NODES) return undefined;
  if (node.op === "") return comparison(node);
  const parts: TagsFilter[] = [];
  for (const one of node.nodes) {
    const part = make(one, depth + 1, size);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  const [first] = parts;
  if (first === undefined) return undefined;
  if (node.op === "and") return (tags) => parts.every((part) => part(tags));
  if (node.op === "or") return (tags) => parts.some((part) => part(tags));
  return node.op === "not" && parts.length === 1 ? (tags) => !first(tags) : undefined;
}

function comparison({ key, cmp, val, vals }: FilterNode): TagsFilter | undefined {
  if (cmp === "ex" || cmp === "nex") {
    if (val !== "" || vals.length > 0) return undefined;
    return cmp === "ex" ? (tags) => tags.has(key) : (tags) => !tags.has(key);
  }
  if (key === "") return undefined;
  if (cmp === "in" || cmp === "nin") {
    if (val !== "" || vals.length === 0) return undefined;
    const wanted = new Set(vals);
    // An absent tag counts as an empty one.
    const isIn: TagsFilter = (tags) => wanted.has(tags.get(key) ?? "");
    return cmp === "in" ? isIn : (tags) => !isIn(tags);
  }
  const compare = ONE_VALUE.get(cmp);
  if (compare === undefined || val === "" || vals.length > 0) return undefined;
  return (tags) => compare(tags.get(key), val);
}

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** Below 0, 0 or above it as for a sort; not a number where one of them is no decimal, which compares as false. */
function order(value: string | undefined, wanted: string): number {
  const one = decimal(value);
  const other = decimal(wanted);
  if (one === undefined || other === undefined) return Number.NaN;
  const scale = Math.max(one.fraction.length, other.fraction.length);
  const difference = scaled(one, scale) - scaled(other, scale);
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

interface Decimal {
  readonly sign: string;
  readonly whole: string;
  readonly fraction: string;
}

function decimal(text: string | undefined): Decimal | undefined {
  if (text === undefined || text.length > MAX_DIGITS) return undefined;
  const found = DECIMAL.exec(text);
  return found === null ? undefined : { sign: found[1] ?? "", whole: found[2] ?? "", fraction: found[3] ?? "" };
}

function scaled({ sign, whole, fraction }: Decimal, scale: number): bigint {
  const digits = BigInt(whole + fraction.padEnd(scale, "0"));
  return sign === "-" ? -digits : digits;
}
