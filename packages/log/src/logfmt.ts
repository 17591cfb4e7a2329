import { escapeText } from "./escape.ts";
import type { LogEvent } from "./event.ts";
import type { PlainFields, PlainValue } from "./fields.ts";

/** One event as one line of `name=value` pairs; nested names are joined with dots. */
export function formatLogfmt(event: LogEvent): string {
  const pairs = [
    `time=${event.time}`,
    `level=${event.level}`,
    `component=${logfmtValue(event.component)}`,
    `message=${logfmtValue(event.message)}`,
  ];
  pushPairs(pairs, event.fields, "");
  return `${pairs.join(" ")}\n`;
}

function pushPairs(pairs: string[], fields: PlainFields, prefix: string): void {
  for (const [name, value] of Object.entries(fields)) {
    const fullName = prefix + name.replace(/[^\w.$*@/#-]/g, "_");
    if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
      pushPairs(pairs, value, `${fullName}.`);
    } else {
      pairs.push(`${fullName}=${logfmtValue(value)}`);
    }
  }
}

function logfmtValue(value: PlainValue): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (/^[^\s"=\\\p{Cc}\p{Cs}]+$/u.test(text)) return escapeText(text);
  return `"${escapeText(text.replace(/[\\"]/g, "\\$&"))}"`;
}
