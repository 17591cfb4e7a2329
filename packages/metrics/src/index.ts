// For programs whose figures Prometheus collects.

export { PROMETHEUS_CONTENT_TYPE, prometheusText } from "./prometheus.ts";

// For programs that pass traces on.

export { formatTraceparent, parseTraceparent, type Traceparent } from "./traceparent.ts";
