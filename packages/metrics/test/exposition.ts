/** One sample of a text that Prometheus would take. */
interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const METRIC_NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\[\\\\"n])*)"';
const SAMPLE = new RegExp(
  `^(${METRIC_NAME})(?:\\{(${LABEL}(?:,${LABEL})*)?\\})? (NaN|[+-]Inf|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)$`,
);

/** Reads the text format, version 0.0.4, and throws at whatever is not in it: stricter than Prometheus itself. */
export function parseExposition(text: string): ParsedFamily[] {
  if (!text.endsWith("\n") && text !== "") throw new Error("the last line has no end");
  const families: ParsedFamily[] = [];
  let help: { name: string; text: string } | undefined;
  for (const line of text.split("\n").slice(0, -1)) {
    const helpLine = new RegExp(`^# HELP (${METRIC_NAME}) ((?:[^\\\\]|\\\\[\\\\n])*)$`).exec(line);
    const typeLine = new RegExp(`^# TYPE (${METRIC_NAME}) (counter|gauge|histogram)$`).exec(line);
    if (helpLine !== null) {
      help = { name: helpLine[1] as string, text: unescape(helpLine[2] as string) };
    } else if (typeLine !== null) {
      const [, name, type] = typeLine as unknown as [string, string, string];
      if (help?.name !== name) throw new Error(`${name} has no help before its type`);
      if (families.some((each) => each.name === name)) throw new Error(`${name} is there twice`);
      families.push({ name, type, help: help.text, samples: [] });
    } else if (line.startsWith("# HELP") || line.startsWith("# TYPE")) {
      throw new Error(`no such line: ${line}`);
    } else if (!line.startsWith("# ")) {
      addSample(families.at(-1), line);
    }
  }
  for (const family of families) checkFamily(family);
  return families;
}

function addSample(family: ParsedFamily | undefined, line: string): void {
  const match = SAMPLE.exec(line);
  if (family === undefined || match === null) throw new Error(`no sample: ${line}`);
  const name = match[1] as string;
  const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  if (!suffixes.some((suffix) => name === family.name + suffix)) throw new Error(`${name} is not of ${family.name}`);
  const labels = new Map<string, string>();
  for (const [, label, value] of (match[2] ?? "").matchAll(new RegExp(LABEL, "g"))) {
    if (labels.has(label as string)) throw new Error(`${label} twice: ${line}`);
    labels.set(label as string, unescape(value as string));
  }
  const number = match.at(-1) as string;
  const value = number.endsWith("Inf") ? Number(`${number}inity`) : Number(number);
  if (number !== "NaN" && Number.isNaN(value)) throw new Error(`no number: ${line}`);
  const key = keyOf({ name, labels, value });
  if (family.samples.some((each) => keyOf(each) === key)) throw new Error(`twice: ${line}`);
  family.samples.push({ name, labels, value });
}

function keyOf({ name, labels }: Sample): string {
  return JSON.stringify([name, ...Array.from(labels, (label) => JSON.stringify(label)).toSorted()]);
}

function checkFamily({ name, type, samples }: ParsedFamily): void {
  if ((type === "counter") !== name.endsWith("_total")) throw new Error(`${name} is a ${type}`);
  if (type !== "histogram") return;
  const groups = Map.groupBy(samples, ({ labels }) => JSON.stringify([...labels].filter(([label]) => label !== "le")));
  for (const [group, ofGroup] of groups) {
    const buckets = ofGroup.filter((each) => each.name.endsWith("_bucket"));
    const bounds = buckets.map(({ labels }) => Number((labels.get("le") ?? "").replace("+Inf", "Infinity")));
    const counts = buckets.map(({ value }) => value);
    const isRising = (numbers: number[]): boolean => numbers.every((each, index) => each >= (numbers[index - 1] ?? 0));
    if (!isRising(bounds) || !isRising(counts)) throw new Error(`buckets of ${name}${group} fall`);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name}${group} has no bucket for all`);
    const count = ofGroup.find((each) => each.name === `${name}_count`)?.value;
    if (count !== counts.at(-1)) throw new Error(`${name}${group} counts ${count}, its buckets ${counts.at(-1)}`);
  }
}

function unescape(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
}
