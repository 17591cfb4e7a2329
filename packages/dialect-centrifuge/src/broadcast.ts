import type { Framing, Link, Payload, Prepared, SendResult } from "@polywire/core";
import type { ChannelEvent } from "@polywire/realtime";
import type { Codec } from "./codec.ts";

/**
 * Sends the same thing to many links: encoded once, framed once for all links that frame alike. It remembers the event it
 * was given last, which is all it takes: the hub tells every subscriber of one event before it turns to the next.
 */
export class Broadcast {
  readonly #codec: Codec;
  readonly #ping: Prepared[] = [];
  #event: ChannelEvent | undefined = undefined;
  #payload: Payload = "";
  #prepared: Prepared[] = [];

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  send(link: Link, event: ChannelEvent): SendResult {
    if (event !== this.#event) {
      this.#payload = encode(this.#codec, event);
      this.#event = event;
      this.#prepared.length = 0;
    }
    return sendShared(link, this.#payload, this.#prepared);
  }

  ping(link: Link): SendResult {
    return sendShared(link, this.#codec.ping, this.#ping);
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

function encode(codec: Codec, event: ChannelEvent): Payload {
  switch (event.kind) {
    case "publication":
      return codec.pushPublication(event.channel, event.publication, event.epoch);
    case "join":
      return codec.pushJoin(event.channel, event.info);
    case "leave":
      return codec.pushLeave(event.channel, event.info);
  }
}
