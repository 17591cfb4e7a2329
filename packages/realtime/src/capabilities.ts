import { NamePattern } from "./name-pattern.ts";
import type { Action, Capability } from "./options.ts";

/** What one client may do in channels beyond what their rules say. */
export class Capabilities {
  readonly #entries: readonly { readonly patterns: readonly NamePattern[]; readonly allow: readonly Action[] }[];

  constructor(capabilities: readonly Capability[]) {
    this.#entries = capabilities.map(({ channels, allow }) => ({
      patterns: channels.map((name) => new NamePattern(name)),
      allow,
    }));
  }

  allow(action: Action, channel: string): boolean {
    return this.#entries.some(
      ({ allow, patterns }) => allow.includes(action) && patterns.some((pattern) => pattern.matches(channel)),
    );
  }
}
