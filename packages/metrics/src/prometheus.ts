import type { HistogramFigures, MetricFamily, MetricPoint } from "@polywire/core";
import { escapeHelp, labelText, metricName } from "./prometheus-names.ts";

/** The content type that goes with {@link prometheusText}. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** One figure under its name, by labels. */
interface Exposed {
  readonly family: MetricFamily;
  readonly values: Map<string, number>;
  readonly histograms: Map<string, HistogramFigures>;
}

/**
 * Figures in Prometheus's text format, version 0.0.4. Families of one name become one, and points of equal attributes
 * are added up, so that those of several networks may be put together: `prometheusText([...one.metrics(), ...other.metrics()])`. A
 * family that cannot be told beside another of its name is left out, and a comment says so.
 */
export function prometheusText(families: readonly MetricFamily[]): string {
  const exposed = new Map<string, Exposed>();
  const lines: string[] = [];
  for (const family of families) {
    const name = metricName(family);
    const known = exposed.get(name) ?? { family, values: new Map(), histograms: new Map() };
    exposed.set(name, known);
    if (known.family.kind === family.kind) for (const point of family.points) addPoint(known, point);
    else lines.push(`# ${name} is a ${known.family.kind}: a ${family.kind} of that name was left out`);
  }
  for (const [name, figure] of exposed) pushFigure(lines, name, figure);
  return lines.map((line) => `${line}\n`).join("");
}

function addPoint({ values, histograms }: Exposed, point: MetricPoint): void {
  const labels = labelText(point.attributes);
  if ("value" in point) values.set(labels, (values.get(labels) ?? 0) + point.value);
  else histograms.set(labels, together(histograms.get(labels), point.histogram));
}

/** Histograms with other bounds cannot be added up: the first one stays. */
function together(one: HistogramFigures | undefined, other: HistogramFigures): HistogramFigures {
  if (one === undefined) return other;
  if (one.bounds.join() !== other.bounds.join()) return one;
  return {
    count: one.count + other.count,
    sum: one.sum + other.sum,
    bounds: one.bounds,
    counts: one.counts.map((count, index) => count + (other.counts[index] ?? 0)),
  };
}

function pushFigure(lines: string[], name: string, { family, values, histograms }: Exposed): void {
  const { kind, description } = family;
  lines.push(`# HELP ${name} ${escapeHelp(description)}`, `# TYPE ${name} ${kind}`);
  for (const [labels, value] of values) lines.push(sample(name, labels, value));
  for (const [labels, histogram] of histograms) pushHistogram(lines, name, { labels, histogram });
}

function pushHistogram(
  lines: string[],
  name: string,
  { labels, histogram }: { readonly labels: string; readonly histogram: HistogramFigures },
): void {
  const { bounds, counts, count, sum } = histogram;
  const before = labels === "" ? "" : `${labels},`;
  let below = 0;
  for (const [index, bound] of bounds.entries()) {
    below += counts[index] ?? 0;
    lines.push(sample(`${name}_bucket`, `${before}le="${numberText(bound)}"`, below));
  }
  lines.push(
    sample(`${name}_bucket`, `${before}le="+Inf"`, count),
    sample(`${name}_sum`, labels, sum),
    sample(`${name}_count`, labels, count),
  );
}

function sample(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${numberText(value)}`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}
