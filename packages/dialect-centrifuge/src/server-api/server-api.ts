import {
  ACCEPTED,
  type Admission,
  type Clock,
  checkObjectOption,
  checkOptionNames,
  type Exchange,
  type Handler,
  type Logger,
  type MetricFamily,
  type Peer,
  silentLogger,
  systemClock,
  wrongOption,
} from "@polywire/core";
import { type ApiKeySource, ApiKeys } from "./api-keys.ts";
import type { ServerApiStats } from "./call-counts.ts";
import { Calls } from "./calls.ts";
import { GrpcCalls, isGrpcPath } from "./grpc-calls.ts";
import { HttpCalls } from "./http-calls.ts";
import type { ApiHub } from "./method.ts";
import { ProtobufMessages } from "./protobuf-messages.ts";

export interface ServerApiOptions {
  /** Who may call: whoever shows one of these. 16 characters at least each. */
  readonly keys: ApiKeySource;
  /** Told in the OpenAPI document. */
  readonly version?: string;
  /** Gets errors of ours, and who was refused. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** What {@link serverApi} returns. Its functions need no `this`. */
export interface ServerApiHandler extends Handler {
  readonly limits: { readonly maxMessageBytes: number };
  admit(this: void, peer: Peer): Admission;
  /** Fulfilled when the exchange is answered. */
  exchange(this: void, exchange: Exchange): Promise<void>;
  /** Plain numbers. */
  stats(this: void): ServerApiStats;
  /** The same as figures, to join those of a network. Counters never fall. */
  metrics(this: void): readonly MetricFamily[];
}

/** The least that one message may have over gRPC, both ways: what its clients take. */
const MIN_MESSAGE_BYTES = 4_194_304;

const NAMES: readonly (keyof ServerApiOptions)[] = ["keys", "version", "logger", "clock"];

/**
 * The server API of the protocol over the exchanges of any listener: what a program behind the server may do with the hub.
 *
 * - HTTP: `POST …/publish` with JSON, as the end of the path says; `…/api` takes calls that name their method themselves, and
 *   `GET …/openapi.json` describes all of it.
 * - gRPC: the service `polywire.api.v1.ServerApi` of `api.proto`, below its path.
 *
 * The key comes in the header or metadata `x-api-key`, or as `authorization: apikey …`; never in the URL.
 *
 * @throws PolywireError `invalid-argument` naming the wrong option, without any key in it.
 */
export function serverApi(hub: ApiHub, options: ServerApiOptions): ServerApiHandler {
  checkObjectOption("the server API's options", options);
  checkOptionNames("", options, NAMES);
  const { version = "", logger = silentLogger, clock = systemClock } = options;
  if (typeof version !== "string") throw wrongOption("version", version, "give a string");
  const keys = new ApiKeys(options.keys);
  const calls = new Calls({ hub, clock, logger });
  const maxRequestBytes = hub.linkLimits.maxMessageBytes;
  const maxMessageBytes = Math.max(maxRequestBytes, MIN_MESSAGE_BYTES);
  const http = new HttpCalls({ calls, keys, maxRequestBytes, version });
  const grpc = new GrpcCalls({ calls, keys, messages: new ProtobufMessages(), maxMessageBytes });
  return {
    limits: { maxMessageBytes },
    admit: (peer) => (isGrpcPath(peer.path) ? grpc.admit(peer) : ACCEPTED),
    exchange: (exchange) => (isGrpcPath(exchange.path) ? grpc.serve(exchange) : http.serve(exchange)),
    stats: () => calls.stats,
    metrics: () => calls.metrics(),
  };
}
