import { redactText } from "./redact.ts";
import { isSecretName, REDACTED } from "./secret-name.ts";

/** What is left of a field's value once it is safe to print: plain, bounded, without secrets. */
export type PlainValue = string | number | boolean | null | PlainValue[] | PlainFields;

/** Fields in their order. Without a prototype, so that no name from the wire has a meaning. */
export interface PlainFields {
  [name: string]: PlainValue;
}

/** Past these, a value is cut and says so: a log line is read by people. */
const LIMITS = { depth: 6, entries: 64, nameCharacters: 128, textCharacters: 4096, scannedCharacters: 16_384 };

/** Names the forms use themselves; a field of that name gets an underscore, so that it cannot replace the event's own. */
const RESERVED: ReadonlySet<string> = new Set(["time", "level", "component", "message"]);

/** The fields of one event, ready for any form. Never throws: a getter that throws is shown as such. */
export function plainFields(fields: object): PlainFields {
  const read = plainObject(fields, LIMITS.depth + 1, []);
  const plain: PlainFields =
    typeof read === "object" && read !== null && !Array.isArray(read) ? read : { fields: read };
  for (const name of RESERVED) {
    const value = plain[name];
    if (value === undefined) continue;
    delete plain[name];
    plain[`${name}_`] = value;
  }
  return plain;
}

/** `text` without secrets and no longer than a log line should be. */
export function plainText(text: string): string {
  const redacted = redactText(text.length > LIMITS.scannedCharacters ? text.slice(0, LIMITS.scannedCharacters) : text);
  if (text.length <= LIMITS.textCharacters && redacted.length <= LIMITS.textCharacters) return redacted;
  return `${redacted.slice(0, LIMITS.textCharacters)}… (${text.length} characters)`;
}

function plainEntries(entries: [string, unknown][], depth: number, above: readonly object[]): PlainFields {
  const plain: PlainFields = Object.create(null);
  for (const [name, value] of entries.slice(0, LIMITS.entries)) {
    if (value === undefined) continue;
    plain[plainName(name)] = isSecretName(name) && hidesSomething(value) ? REDACTED : plainValue(value, depth, above);
  }
  if (entries.length > LIMITS.entries) plain["…"] = `${entries.length - LIMITS.entries} more`;
  return plain;
}

/** Names may come from the wire too: a `Map` by URL. */
function plainName(name: string): string {
  const shown = name.length > LIMITS.nameCharacters ? `${name.slice(0, LIMITS.nameCharacters)}…` : name;
  return /[:=]/.test(shown) ? redactText(shown) : shown;
}

/** `hasToken: true` and `token: null` tell nothing; anything else under a secret's name does. */
function hidesSomething(value: unknown): boolean {
  return typeof value !== "boolean" && value !== null;
}

function plainValue(value: unknown, depth: number, above: readonly object[]): PlainValue {
  switch (typeof value) {
    case "string":
      return plainText(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "object":
      return value === null ? null : plainObject(value, depth, above);
    case "function":
      return "(function)";
    default:
      return plainText(String(value));
  }
}

function plainObject(value: object, depth: number, above: readonly object[]): PlainValue {
  if (above.includes(value)) return "(circular)";
  if (depth === 0) return "(nested deeper)";
  try {
    return plainHeld(value, depth - 1, [...above, value]);
  } catch {
    return "(unreadable)";
  }
}

function plainHeld(value: object, depth: number, above: readonly object[]): PlainValue {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `(${value.byteLength} bytes)`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "(invalid date)" : value.toISOString();
  if (value instanceof URL || value instanceof RegExp) return plainText(String(value));
  if (Array.isArray(value)) return plainList(value, depth, above);
  if (value instanceof Set) return plainList([...value], depth, above);
  if (value instanceof Map || value instanceof Headers || value instanceof URLSearchParams) {
    const entries = [...value].map(([name, held]): [string, unknown] => [String(name), held]);
    return plainEntries(entries, depth, above);
  }
  if (value instanceof Error) return plainEntries(errorEntries(value), depth, above);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return plainValue(toJSON.call(value, ""), depth, above);
  return plainEntries(namedEntries(value), depth, above);
}

/** An object that is a name and its value, as lists of headers have them, is told apart by the name that it holds. */
function namedEntries(value: object): [string, unknown][] {
  const { name, key = name, value: held } = value as { name?: unknown; key?: unknown; value?: unknown };
  const hides = typeof key === "string" && isSecretName(key) && hidesSomething(held) && held !== undefined;
  return Object.entries(hides ? { ...value, value: REDACTED } : value);
}

function plainList(values: readonly unknown[], depth: number, above: readonly object[]): PlainValue[] {
  const plain = values.slice(0, LIMITS.entries).map((value, index) => {
    return isAfterSecretName(values, index) && hidesSomething(value) ? REDACTED : plainValue(value, depth, above);
  });
  if (values.length > LIMITS.entries) plain.push(`… ${values.length - LIMITS.entries} more`);
  return plain;
}

/** Lists of names and values in turn: `["Authorization", "Bearer …"]`, as Node has raw headers. */
function isAfterSecretName(values: readonly unknown[], index: number): boolean {
  const name = index % 2 === 1 && values.length % 2 === 0 ? values[index - 1] : undefined;
  return typeof name === "string" && name.length <= LIMITS.nameCharacters && isSecretName(name);
}

/** What a reader needs of an error: its name and code, what it says, where it came from, and what caused it. */
function errorEntries(error: Error): [string, unknown][] {
  const own = Object.entries(error).filter(([name]) => !["name", "message", "stack", "cause"].includes(name));
  return [
    ["name", error.name],
    ["message", error.message],
    ...own,
    ["cause", error.cause],
    ["errors", error instanceof AggregateError ? error.errors : undefined],
    ["stack", stackFrames(error)],
  ];
}

/** The frames alone: the first lines repeat the name and the message. */
function stackFrames(error: Error): string | undefined {
  const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line));
  return frames === undefined || frames.length === 0 ? undefined : frames.map((line) => line.trim()).join("\n");
}
