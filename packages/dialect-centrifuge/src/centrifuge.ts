import {
  type Admission,
  type ConnectionPlace,
  type Exchange,
  type Handler,
  type Link,
  type Peer,
  PolywireError,
} from "@polywire/core";
import type { SessionHost } from "@polywire/realtime";
import { Doorkeeper, encodingOf } from "./admission.ts";
import { Client } from "./client.ts";
import { ClientOrigin } from "./client-origin.ts";
import type { EncodingGroup } from "./client-outlet.ts";
import type { EncodingName, Layout } from "./codec.ts";
import { Codecs } from "./codecs.ts";
import { type DatagramStats, Datagrams } from "./datagrams.ts";
import { Emulation } from "./emulation.ts";
import { LengthCutter, LineCutter } from "./frame-cutter.ts";
import { CuttingSink, type FrameSink, LineSink } from "./frame-sinks.ts";
import { HttpForms } from "./http-forms.ts";
import { type CentrifugeOptions, type CompleteOptions, completeOptions } from "./options.ts";
import { UnidirectionalClient } from "./unidirectional-client.ts";

/** Links at a path that ends so are those of clients that only listen. */
const UNIDIRECTIONAL_PATH = "/uni_websocket";

/** What {@link centrifuge} returns: one value for listeners of every wire. Its functions need no `this`. */
export interface CentrifugeHandler extends Handler {
  readonly limits: NonNullable<Handler["limits"]>;
  admit(this: void, peer: Peer): Admission;
  link(this: void, link: Link, place: ConnectionPlace): void;
  /** Fulfilled when the exchange is answered, or has become a stream. */
  exchange(this: void, exchange: Exchange): Promise<void>;
  /**
   * From now on pages of these origins may connect, and no others besides those of this host. Who is connected stays.
   *
   * @throws PolywireError `invalid-argument` naming an origin without a scheme; then nothing has changed.
   */
  allowOrigins(this: void, allowedOrigins: readonly string[]): void;
  /** Plain numbers, for metrics. */
  stats(this: void): CentrifugeStats;
}

export interface CentrifugeStats {
  /** Clients that are told over an HTTP stream or server-sent events and send their commands in requests. */
  readonly emulated: number;
  readonly datagrams: DatagramStats;
}

/**
 * The Centrifuge client protocol over the links and exchanges of any listener: `network.listen(url, centrifuge(hub))`.
 *
 * - Links of messages or bytes are clients; those at a path that ends in `/uni_websocket` only listen.
 * - Exchanges are what the end of their path says: `http_stream`, `sse` and `emulation`, and `uni_http_stream`, `uni_sse`
 *   and gRPC's `Consume` for clients that only listen.
 * - Datagrams that may get lost are sessions of their own, each from its connect to its last publish.
 *
 * Clients choose between JSON and Protobuf by subprotocol (`centrifuge-json`, `centrifuge-protobuf`), by the query
 * `format=protobuf`, or by the content type of their requests. One handler may serve several listeners: what goes to many
 * clients is then encoded once for all, and requests find their client whichever listener they came to.
 *
 * @throws PolywireError `invalid-argument` naming the wrong option.
 */
export function centrifuge(hub: SessionHost, options: CentrifugeOptions = {}): CentrifugeHandler {
  const complete = completeOptions(options);
  const doorkeeper = new Doorkeeper(complete.allowedOrigins, complete.keepHeaders);
  const codecs = new Codecs(complete);
  const emulation = new Emulation(hub.linkLimits.maxMessageBytes);
  const datagrams = new Datagrams(hub, complete.maxDatagramsInFlight);
  const forms = new HttpForms({ hub, codecs, doorkeeper, emulation });
  return {
    limits: hub.linkLimits,
    admit: (peer) => doorkeeper.admit(peer),
    link(link, { protocol }): void {
      const { encoding, layout } = speechOver(link, complete);
      const { kind, ordered, reliable } = link.traits;
      if (kind === "datagram" && !(ordered && reliable)) {
        return datagrams.serve(link, codecs.group({ encoding, layout: layoutOfFrames(encoding) }), protocol);
      }
      const isUnidirectional = link.peer.path?.endsWith(UNIDIRECTIONAL_PATH) === true;
      const group = codecs.group({ encoding, layout, isUnidirectional });
      const transport = isUnidirectional ? UNIDIRECTIONAL_PATH.slice(1) : protocol;
      const origin = new ClientOrigin(link.peer, { transport, encoding });
      const through = framesOf(link, group, hub.linkLimits.maxMessageBytes);
      if (isUnidirectional) new UnidirectionalClient(link, group, { hub, origin });
      else new Client(link, group, { hub, origin, ...(through === undefined ? {} : { through }) });
    },
    exchange: (exchange) => forms.serve(exchange),
    allowOrigins: (allowedOrigins) => doorkeeper.allowOrigins(allowedOrigins),
    stats: () => ({ emulated: emulation.size, datagrams: datagrams.stats }),
  };
}

/** How the clients of this link speak. */
function speechOver(link: Link, options: CompleteOptions): { encoding: EncodingName; layout: Layout } {
  const { kind, content } = link.traits;
  const encoding = encodingOf(link.peer) ?? options.format;
  if (content === "line" && encoding === "protobuf") {
    const advice = 'use JSON, or a framing with lengths: framing "varint" with the option delimited: false';
    throw new PolywireError("invalid-argument", `Protobuf does not fit into lines of text: ${advice}`);
  }
  const isParted = kind === "stream" || (encoding === "protobuf" && options.delimited);
  return { encoding, layout: isParted ? "parted" : "whole" };
}

/** Several commands in one message of the wire, whatever the wire does with messages. */
function layoutOfFrames(encoding: EncodingName): Layout {
  return encoding === "json" ? "whole" : "parted";
}

/** What makes frames of that which the link delivers, where they are not its messages. */
function framesOf(
  { traits }: Link,
  { codec }: EncodingGroup,
  mostBytes: number,
): ((client: FrameSink) => FrameSink) | undefined {
  if (traits.content === "line") return (client) => new LineSink(client);
  if (traits.kind !== "stream") return undefined;
  const maxBytes = Math.min(mostBytes, traits.maxMessageBytes);
  const cutter = codec.name === "json" ? new LineCutter(maxBytes) : new LengthCutter(maxBytes);
  return (client) => new CuttingSink(client, cutter);
}
