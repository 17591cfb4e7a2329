import type { PublicationEvent } from "@polywire/realtime";
import { fossilDelta } from "./fossil-delta.ts";

/** Larger publications go whole: their patches would take the event loop too long. */
const MAX_DATA_BYTES = 262_144;

/** The patch of the event asked for last, which every encoding tells: made once, whatever the number of subscribers. */
export class Patches {
  #event: PublicationEvent | undefined = undefined;
  #patch: Uint8Array | undefined = undefined;

  /** What makes the event's publication of the one before; `undefined` where it goes whole. */
  of(event: PublicationEvent): Uint8Array | undefined {
    if (event !== this.#event) {
      this.#patch = patchOf(event);
      this.#event = event;
    }
    return this.#patch;
  }
}

/** Of JSON only: the other formats are different bytes for JSON clients than for those of Protobuf. */
function patchOf({ publication, previous }: PublicationEvent): Uint8Array | undefined {
  if (previous?.format !== "json" || publication.format !== "json") return undefined;
  const isTooLarge = previous.data.length > MAX_DATA_BYTES || publication.data.length > MAX_DATA_BYTES;
  return isTooLarge ? undefined : fossilDelta(previous.data, publication.data);
}
