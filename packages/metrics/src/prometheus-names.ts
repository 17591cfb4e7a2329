import type { MetricAttributes, MetricFamily } from "@polywire/core";

/** Units of UCUM under Prometheus's names. What is counted in braces has no unit there. */
const UNITS: ReadonlyMap<string, string> = new Map([
  ["s", "seconds"],
  ["ms", "milliseconds"],
  ["By", "bytes"],
  ["KiBy", "kibibytes"],
  ["MiBy", "mebibytes"],
  ["By/s", "bytes_per_second"],
  ["Cel", "celsius"],
  ["%", "percent"],
]);

/** The name of a figure: with its unit and, for a counter, `_total`, as OpenTelemetry's rules for Prometheus have it. */
export function metricName({ name, unit, kind }: MetricFamily): string {
  const plain = plainName(name, /[^a-zA-Z0-9_:]+/g).replace(/_total$/, "");
  const suffix = unit === "1" && kind === "gauge" ? "ratio" : (UNITS.get(unit) ?? "");
  const measured = suffix === "" || plain.endsWith(`_${suffix}`) ? plain : `${plain}_${suffix}`;
  return kind === "counter" ? `${measured}_total` : measured;
}

/**
 * Attributes as labels, without the braces, in the order of their names so that equal ones look equal. The values of names that
 * become one are joined with `;`.
 */
export function labelText(attributes: MetricAttributes): string {
  const labels = new Map<string, string>();
  for (const [name, value] of Object.entries(attributes).toSorted(byName)) {
    const label = labelName(name);
    const before = labels.get(label);
    labels.set(label, before === undefined ? String(value) : `${before};${value}`);
  }
  return Array.from(labels, ([name, value]) => `${name}="${escapeLabel(value)}"`).join(",");
}

/** Text after `# HELP`. */
export function escapeHelp(text: string): string {
  return wellFormed(text).replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replace(/"/g, '\\"');
}

/** Names with two underscores before them are Prometheus's own, and so is `le` in a histogram. */
function labelName(name: string): string {
  const plain = plainName(name, /[^a-zA-Z0-9_]+/g);
  return plain.startsWith("__") || plain === "le" ? `attribute_${plain.replace(/^_+/, "")}` : plain;
}

function plainName(name: string, unfit: RegExp): string {
  const plain = name.replace(unfit, "_");
  return /^[0-9]/.test(plain) || plain === "" ? `_${plain}` : plain;
}

/** Halves of surrogate pairs are no UTF-8. */
function wellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}
