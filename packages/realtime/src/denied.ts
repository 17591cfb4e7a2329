import type { Denied } from "./options.ts";

/** Programs in JavaScript answer all sorts of things: this is for what they say no with. */
export function isDenied(answer: unknown): answer is Denied {
  if (typeof answer !== "object" || answer === null) return false;
  const { error, disconnect } = answer as { readonly error?: unknown; readonly disconnect?: unknown };
  return hasCode(error) || hasCode(disconnect);
}

function hasCode(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { code?: unknown }).code === "number";
}
