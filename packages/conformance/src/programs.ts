import { spawnSync } from "node:child_process";

/**
 * Whether a program from outside, with which a test talks, works on this machine: it is run with the arguments, which
 * should do nothing. In CI the answer is always yes, so that a missing one fails its tests there instead of skipping them.
 */
export function hasProgram(command: string, ...probe: readonly string[]): boolean {
  if (process.env["CI"] !== undefined) return true;
  return spawnSync(command, probe, { stdio: "ignore" }).status === 0;
}
