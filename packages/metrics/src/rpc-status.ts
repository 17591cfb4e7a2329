/** The codes of RPC by number, as `google.rpc.Code` names them. */
const NAMES: readonly string[] = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** What a status of HTTP says in a code of RPC, the other way round than `google.rpc.Code` has it. */
const OF_HTTP: ReadonlyMap<number, string> = new Map([
  [401, "UNAUTHENTICATED"],
  [403, "PERMISSION_DENIED"],
  [404, "NOT_FOUND"],
  [408, "DEADLINE_EXCEEDED"],
  [409, "ABORTED"],
  [413, "RESOURCE_EXHAUSTED"],
  [416, "OUT_OF_RANGE"],
  [429, "RESOURCE_EXHAUSTED"],
  [499, "CANCELLED"],
  [501, "UNIMPLEMENTED"],
  [502, "UNAVAILABLE"],
  [503, "UNAVAILABLE"],
  [504, "DEADLINE_EXCEEDED"],
]);

/** Codes that are the server's fault (OpenTelemetry's conventions for gRPC). */
const SERVER_FAULTS: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

/** The name of a code: by the number that the wire told, where it did, else by the status. */
export function rpcStatusName(status: number, told: string | undefined): string {
  const exact = told !== undefined && /^\d{1,2}$/.test(told) ? NAMES[Number(told)] : undefined;
  if (exact !== undefined) return exact;
  if (status < 400) return "OK";
  return OF_HTTP.get(status) ?? (status < 500 ? "INVALID_ARGUMENT" : "INTERNAL");
}

export function isServerFault(name: string): boolean {
  return SERVER_FAULTS.has(name);
}
