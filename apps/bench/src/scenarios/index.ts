import { manyChannels } from "./channels.ts";
import { connects } from "./connects.ts";
import { fanOut } from "./fan-out.ts";
import { idleMemory } from "./idle-memory.ts";
import type { Scenario } from "./scenario.ts";

/** Each word after `npm run bench --` names a group; without one it is "speed". */
export const groups: ReadonlyMap<string, readonly Scenario[]> = new Map([
  ["speed", [fanOut, manyChannels, idleMemory, connects]],
]);
