import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { renderTable } from "./table.ts";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

/** Where a server's time went: functions by their own time, the idle left out. */
export function summarizeProfile(profile: CpuProfile, most: number): string {
  const own = new Map<number, number>();
  for (const [index, node] of profile.samples.entries()) {
    own.set(node, (own.get(node) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  const places = new Map<string, number>();
  let busyUs = 0;
  for (const { id, callFrame } of profile.nodes) {
    const us = own.get(id) ?? 0;
    if (us === 0 || callFrame.functionName === "(idle)") continue;
    const place = `${callFrame.functionName || "(anonymous)"} ${shortPath(callFrame.url, callFrame.lineNumber)}`;
    places.set(place, (places.get(place) ?? 0) + us);
    busyUs += us;
  }
  const rows = [...places]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, most)
    .map(([place, us]) => [((us / busyUs) * 100).toFixed(1), (us / 1000).toFixed(0), place]);
  return renderTable(
    [
      { title: "own %", align: "right" },
      { title: "ms", align: "right" },
      { title: "function", align: "left" },
    ],
    rows,
  );
}

function shortPath(url: string, line: number): string {
  if (url === "") return "";
  const path = url.startsWith("file:") ? fileURLToPath(url) : url;
  return `${path.split("/").slice(-4).join("/")}:${line + 1}`;
}

export function readProfile(file: string): CpuProfile {
  const profile: CpuProfile = JSON.parse(readFileSync(file, "utf8"));
  return profile;
}
