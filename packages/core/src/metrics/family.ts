/** A `counter` only rises, a `gauge` is how much there is now, a `histogram` is how values were spread. */
export type MetricKind = "counter" | "gauge" | "histogram";

/**
 * What tells the points of a family apart. Names follow OpenTelemetry's semantic conventions; values are of a small set
 * that the program decides on: a protocol, a direction, an error's code. Never an id, an address of a peer or a path.
 */
export type MetricAttributes = Readonly<Record<string, string | number | boolean>>;

/** How many values lay between which bounds. */
export interface HistogramFigures {
  readonly count: number;
  readonly sum: number;
  /** Upper bounds, included, in rising order. */
  readonly bounds: readonly number[];
  /** One for each bound, and one for what is above the last. Not cumulative. */
  readonly counts: readonly number[];
}

export type MetricPoint =
  | { readonly attributes: MetricAttributes; readonly value: number }
  | { readonly attributes: MetricAttributes; readonly histogram: HistogramFigures };

/** One figure of a program, as plain data. It may have no points yet. */
export interface MetricFamily {
  /** In OpenTelemetry's spelling: `polywire.connection.count`. */
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  /** In UCUM: `s`, `By`, `1`, or what is counted in braces: `{message}`. */
  readonly unit: string;
  readonly kind: MetricKind;
  /** Points of one kind: figures for a histogram, values for the others. */
  readonly points: readonly MetricPoint[];
}
