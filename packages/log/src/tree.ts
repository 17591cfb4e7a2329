import { escapeText } from "./escape.ts";
import type { LogEvent } from "./event.ts";
import type { PlainFields, PlainValue } from "./fields.ts";

/**
 * One event as a block for people: a headline, then one branch per field. Only a headline begins with `[`, and every
 * line of a multi-line value begins with its own gutter `┊`, so no value can pass for an event or for a field.
 */
export function formatTree(event: LogEvent): string {
  const time = event.time.slice(0, -1);
  const headline = `[${time}] ${event.level.toUpperCase()} | ${escapeText(event.component)} | ${escapeText(event.message)}`;
  const lines = [headline];
  pushBranches(lines, event.fields, "");
  return `${lines.join("\n")}\n`;
}

function pushBranches(lines: string[], fields: PlainFields | PlainValue[], indent: string): void {
  const entries = Object.entries(fields);
  for (const [index, [name, value]] of entries.entries()) {
    const isLast = index === entries.length - 1;
    const branch = `${indent}${isLast ? "└── " : "├── "}${treeName(name)}:`;
    const below = `${indent}${isLast ? "    " : "│   "}`;
    if (isBranching(value)) {
      lines.push(branch);
      pushBranches(lines, value, below);
    } else if (typeof value === "string" && value.includes("\n")) {
      lines.push(branch, ...value.split("\n").map((line) => `${below}┊ ${escapeText(line)}`));
    } else {
      lines.push(`${branch} ${treeValue(value)}`);
    }
  }
}

/** Lists of plain values stay on their line; objects, and lists that hold any, become branches. */
function isBranching(value: PlainValue): value is PlainFields | PlainValue[] {
  if (typeof value !== "object" || value === null) return false;
  if (!Array.isArray(value)) return Object.keys(value).length > 0;
  return value.some((held) => typeof held === "object" && held !== null);
}

function treeName(name: string): string {
  return /^[\w.$*@/#-]+$/.test(name) ? name : escapeText(JSON.stringify(name));
}

function treeValue(value: PlainValue): string {
  if (typeof value === "string") return value === "" ? '""' : escapeText(value);
  return escapeText(JSON.stringify(value));
}
