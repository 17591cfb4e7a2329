import {
  type Clock,
  checkBooleanOption,
  checkCountOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  systemClock,
  wrongOption,
} from "@polywire/core";

export interface CentrifugeOptions {
  /** The encoding of clients that name none: by subprotocol, query or content type. `json`. */
  readonly format?: "json" | "protobuf";
  /**
   * Protobuf messages on message links carry their length, as SDKs want it on a WebSocket. True. False, one bare message
   * in each message of the link, is for wires that have lengths of their own: gRPC, TCP with lengths before messages.
   */
  readonly delimited?: boolean;
  /** Clients are pinged and must answer. True. False, no pings at all, is for people with `nc`: the wire notices who went. */
  readonly pong?: boolean;
  /**
   * Origins of pages that may connect, besides those of the listener's own host: `https://app.example.com`, with `*` for
   * any characters. Peers that send no origin (everything but browsers) are always let in.
   */
  readonly allowedOrigins?: readonly string[];
  /** Request headers to hand to the hub's `authenticate`, such as `cookie`. None by default: they cost memory. */
  readonly keepHeaders?: readonly string[];
  /** Most commands in one frame; more end the session with 3501. 256. */
  readonly maxCommandsPerFrame?: number;
  /** Commands answered with error 107 within 10 s that end the session with 3509. 10. */
  readonly maxBadCommands?: number;
  /** Most datagrams of plain datagram peers in the works at once; further ones are dropped and counted. 1,024. */
  readonly maxDatagramsInFlight?: number;
  readonly clock?: Clock;
}

export type CompleteOptions = Required<CentrifugeOptions>;

const NAMES: readonly (keyof CentrifugeOptions)[] = [
  "format",
  "delimited",
  "pong",
  "allowedOrigins",
  "keepHeaders",
  "maxCommandsPerFrame",
  "maxBadCommands",
  "maxDatagramsInFlight",
  "clock",
];

/** @throws PolywireError `invalid-argument` naming the option that is unknown or out of range. */
export function completeOptions(given: CentrifugeOptions): CompleteOptions {
  checkObjectOption("the dialect's options", given);
  checkOptionNames("", given, NAMES);
  const { format = "json", delimited = true, pong = true, allowedOrigins = [], keepHeaders = [] } = given;
  const { maxCommandsPerFrame = 256, maxBadCommands = 10, maxDatagramsInFlight = 1_024, clock = systemClock } = given;
  checkOneOfOption("format", format, ["json", "protobuf"]);
  checkBooleanOption("delimited", delimited);
  checkBooleanOption("pong", pong);
  checkStrings("allowedOrigins", allowedOrigins);
  checkStrings("keepHeaders", keepHeaders);
  checkCountOption("maxCommandsPerFrame", maxCommandsPerFrame);
  checkCountOption("maxBadCommands", maxBadCommands);
  checkCountOption("maxDatagramsInFlight", maxDatagramsInFlight);
  return {
    format,
    delimited,
    pong,
    allowedOrigins,
    keepHeaders,
    maxCommandsPerFrame,
    maxBadCommands,
    maxDatagramsInFlight,
    clock,
  };
}

function checkStrings(name: string, value: readonly string[]): void {
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return;
  throw wrongOption(name, value, "give an array of strings");
}
