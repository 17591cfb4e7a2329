import type { Action, Capability } from "@polywire/realtime";

/** The protocol's names for actions, and ours. */
export const ACTIONS: ReadonlyMap<unknown, Action> = new Map<unknown, Action>([
  ["sub", "subscribe"],
  ["pub", "publish"],
  ["hst", "history"],
  ["prs", "presence"],
]);

/**
 * The claim `caps`: `[{ channels: ["news"], match: "wildcard", allow: ["sub"] }]`. A token with an entry that is not
 * understood gives nothing, rather than something else than was meant.
 */
export function readCapabilities(value: unknown, fail: (problem: string) => never): readonly Capability[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) return fail("its claim caps is no list");
  return value.map((entry: unknown): Capability => {
    if (typeof entry !== "object" || entry === null) return fail("its claim caps has an entry that is no object");
    const { channels, match = "", allow } = entry as Readonly<Record<string, unknown>>;
    if (match !== "" && match !== "wildcard") return fail('its claim caps has a match that is not "wildcard"');
    if (!Array.isArray(channels) || !Array.isArray(allow)) return fail("its claim caps lacks channels or allow");
    return {
      channels: channels.map((name: unknown) => {
        if (typeof name !== "string" || name === "") return fail("its claim caps has a channel that is no text");
        // A star of an exact name would be taken for any characters.
        if (match === "" && name.includes("*")) return fail('its claim caps has a * without match: "wildcard"');
        return name;
      }),
      allow: allow.map(
        (word: unknown) =>
          ACTIONS.get(word) ?? fail(`its claim caps allows something else than ${[...ACTIONS.keys()].join(", ")}`),
      ),
    };
  });
}
