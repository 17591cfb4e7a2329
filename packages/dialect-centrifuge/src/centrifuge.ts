import type { Handler } from "@polywire/core";
import type { SessionHost } from "@polywire/realtime";
import { Doorkeeper, encodingOf } from "./admission.ts";
import { Broadcast } from "./broadcast.ts";
import { Client } from "./client.ts";
import type { EncodingGroup } from "./client-outlet.ts";
import type { Codec } from "./codec.ts";
import { JsonCodec } from "./json-codec.ts";
import { type CentrifugeOptions, completeOptions } from "./options.ts";
import { ProtobufCodec } from "./protobuf-codec.ts";

/**
 * The Centrifuge client protocol over the links of any listener: `network.listen(url, centrifuge(hub))`.
 *
 * Clients choose between JSON and Protobuf by subprotocol (`centrifuge-json`, `centrifuge-protobuf`) or by the query
 * `format=protobuf`. One handler may serve several listeners: what goes to many clients is then encoded once for all.
 *
 * @throws PolywireError `invalid-argument` naming the wrong option.
 */
export function centrifuge(hub: SessionHost, options: CentrifugeOptions = {}): Handler {
  const complete = completeOptions(options);
  const doorkeeper = new Doorkeeper(complete.allowedOrigins, complete.keepHeaders);
  const group = (codec: Codec): EncodingGroup => ({ codec, broadcast: new Broadcast(codec), options: complete });
  const groups = { json: group(new JsonCodec()), protobuf: group(new ProtobufCodec()) };
  return {
    limits: hub.linkLimits,
    admit: (peer) => doorkeeper.admit(peer),
    link(link, { protocol }): void {
      new Client(link, groups[encodingOf(link.peer)], { hub, protocol });
    },
  };
}
