import type { Framing, Link, Payload, Prepared, SendResult } from "@polywire/core";
import { type ChannelEvent, EVENT_FORM } from "@polywire/realtime";
import type { Codec } from "./codec.ts";
import type { Patches } from "./patches.ts";

/** One event in one form. */
interface Encoded {
  event: ChannelEvent | undefined;
  payload: Payload;
  readonly prepared: Prepared[];
}

/** As many as there are sums of `EVENT_FORM`s. */
const FORMS = 8;

/**
 * Sends the same thing to many links: encoded once for each form, framed once for all links that frame alike. Of each form
 * it remembers the event it was given last, which is all it takes: the hub tells every subscriber of one event before it
 * turns to the next.
 */
export class Broadcast {
  readonly #codec: Codec;
  readonly #patches: Patches;
  readonly #ping: Prepared[] = [];
  readonly #encoded: readonly Encoded[] = Array.from({ length: FORMS }, () => ({
    event: undefined,
    payload: "",
    prepared: [],
  }));

  constructor(codec: Codec, patches: Patches) {
    this.#codec = codec;
    this.#patches = patches;
  }

  send(link: Link, event: ChannelEvent, form: number): SendResult {
    const encoded = this.#encoded[form] as Encoded;
    if (event !== encoded.event) {
      encoded.payload = this.#encode(event, form);
      encoded.event = event;
      encoded.prepared.length = 0;
    }
    return sendShared(link, encoded.payload, encoded.prepared);
  }

  ping(link: Link): SendResult {
    return sendShared(link, this.#codec.ping, this.#ping);
  }

  #encode(event: ChannelEvent, form: number): Payload {
    const isCompact = (form & EVENT_FORM.compact) !== 0;
    const channel = isCompact && event.channelId !== undefined ? event.channelId : event.channel;
    switch (event.kind) {
      case "publication": {
        const isDelta = (form & EVENT_FORM.delta) !== 0;
        const patch = (form & EVENT_FORM.patch) === 0 ? undefined : this.#patches.of(event);
        return this.#codec.pushPublication(channel, event.publication, { epoch: event.epoch, isDelta, patch });
      }
      case "join":
        return this.#codec.pushJoin(channel, event.info);
      case "leave":
        return this.#codec.pushLeave(channel, event.info);
    }
  }
}

/** @param prepared one entry for each framing met so far: listeners of one protocol have one, so a handful at most. */
function sendShared(link: Link, payload: Payload, prepared: Prepared[]): SendResult {
  const { framing } = link;
  if (framing === undefined) return link.send(payload);
  for (let index = 0; index < prepared.length; index++) {
    const known = prepared[index] as Prepared;
    if (known.framing === framing) return link.send(known);
  }
  const made = prepare(framing, payload);
  prepared.push(made);
  return link.send(made);
}

function prepare(framing: Framing, payload: Payload): Prepared {
  return framing.prepare([payload]);
}
