import type { Random } from "@polywire/core";

/** Makes the ids of sessions: UUIDs of version 4. */
export type CreateId = () => string;

/**
 * Ids that cannot be guessed, from the platform's own source. With a `random` they are as good as it is: tests give one
 * to have the same ids every time.
 */
export function idsFrom(random: Random | undefined): CreateId {
  if (random === undefined) return () => globalThis.crypto.randomUUID();
  return function randomId() {
    // RFC 9562: version 4, variant 10.
    return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, (place) => {
      const digit = Math.floor(random() * 16);
      return (place === "x" ? digit : (digit & 0x3) | 0x8).toString(16);
    });
  };
}
