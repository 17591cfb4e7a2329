import { isIP } from "node:net";
import {
  checkBooleanOption,
  checkCountOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  type Endpoint,
  wrongOption,
} from "@polywire/core";

/**
 * What a link makes of datagrams. `plain`: one datagram, one message, no header. `sequenced`: late and doubled ones are
 * dropped. `reliable`: whole messages, each one once and in order.
 */
export type UdpMode = "plain" | "sequenced" | "reliable";

export const MODES: readonly UdpMode[] = ["plain", "sequenced", "reliable"];

/** For every link of the protocol; `connect` and `listen` may give their own. */
export interface UdpOptions {
  /** `plain` by default. */
  readonly mode?: UdpMode;
  /** Largest datagram, both ways: 1,200 bytes by default, which every network carries whole; 65,507 at the most. */
  readonly maxDatagramBytes?: number;
  /** A link that hears nothing for so long is over: 60,000. A plain link that was dialled is left alone. */
  readonly idleTimeoutMs?: number;
  /** A reliable link of whose datagrams nothing is acknowledged for so long is over: 30,000. */
  readonly giveUpMs?: number;
  /** What to ask the system for as the socket's receive buffer. The system's own by default. */
  readonly receiveBufferBytes?: number;
  /** What to ask the system for as the socket's send buffer. The system's own by default. */
  readonly sendBufferBytes?: number;
}

export interface UdpMulticastDialOptions {
  /** Address of the interface to send from. */
  readonly interface?: string;
  /** Routers that a datagram may pass: 1 by default. */
  readonly ttl?: number;
  /** Whether listeners on this machine hear it: true by default. */
  readonly loopback?: boolean;
}

export interface UdpMulticastListenOptions {
  /** The group to join, of the listener's own address family. */
  readonly group: string;
  /** Address of the interface to join on; the system chooses by default. */
  readonly interface?: string;
}

/** Goes with `network.connect("udp://…")`. */
export interface UdpDialOptions extends UdpOptions {
  /** Offered to the listener, best first. Not in `plain` mode. */
  readonly subprotocols?: readonly string[];
  /** How datagrams to a multicast group leave. `plain` mode only. */
  readonly multicast?: UdpMulticastDialOptions;
}

/** Goes with `network.listen("udp://…")`. */
export interface UdpListenOptions extends UdpOptions {
  /** Most peers that the listener knows: 10,000. Plain ones that were silent the longest make room for others. */
  readonly maxPeers?: number;
  /**
   * What all reliable links of the listener may hold together of messages that have arrived in part, or that a paused
   * holder has not taken: 256 MiB.
   */
  readonly maxReassemblyBytes?: number;
  /** Datagrams a second that one address may send before it has an established link, and all plain ones: 20,000. */
  readonly maxDatagramsPerSecond?: number;
  /** Joins a multicast group. `plain` mode only. */
  readonly multicast?: UdpMulticastListenOptions;
}

export type CompleteOptions = {
  readonly [Name in "mode" | "maxDatagramBytes" | "idleTimeoutMs" | "giveUpMs"]-?: NonNullable<UdpOptions[Name]>;
} & Pick<UdpOptions, "receiveBufferBytes" | "sendBufferBytes">;

export type CompleteDialOptions = CompleteOptions & {
  readonly subprotocols: readonly string[];
  readonly multicast: UdpMulticastDialOptions | undefined;
};

export type CompleteListenOptions = CompleteOptions & {
  readonly maxPeers: number;
  readonly maxReassemblyBytes: number;
  readonly maxDatagramsPerSecond: number;
  readonly multicast: UdpMulticastListenOptions | undefined;
};

/** What an IPv4 datagram can hold. */
const MOST_DATAGRAM_BYTES = 65_507;
/** A header mode needs room for its handshake. */
const LEAST_HEADER_DATAGRAM_BYTES = 512;
const MAX_TIMEOUT_MS = 0x7fff_ffff;
const MAX_SOCKET_BUFFER_BYTES = 0x4000_0000;

const DEFAULTS: CompleteOptions = { mode: "plain", maxDatagramBytes: 1_200, idleTimeoutMs: 60_000, giveUpMs: 30_000 };
const BUFFER_NAMES = ["receiveBufferBytes", "sendBufferBytes"] as const;
const GENERAL_NAMES = [...Object.keys(DEFAULTS), ...BUFFER_NAMES];
const DIAL_NAMES = [...GENERAL_NAMES, "subprotocols", "multicast"];
const LISTEN_NAMES = [...GENERAL_NAMES, "maxPeers", "maxReassemblyBytes", "maxDatagramsPerSecond", "multicast"];

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeOptions(given: UdpOptions, defaults: CompleteOptions = DEFAULTS): CompleteOptions {
  checkObjectOption("udp options", given);
  if (defaults === DEFAULTS) checkOptionNames("", given, GENERAL_NAMES);
  const { mode = defaults.mode, maxDatagramBytes = defaults.maxDatagramBytes } = given;
  const { idleTimeoutMs = defaults.idleTimeoutMs, giveUpMs = defaults.giveUpMs } = given;
  checkOneOfOption("mode", mode, MODES);
  checkCountOption("maxDatagramBytes", maxDatagramBytes, MOST_DATAGRAM_BYTES);
  if (mode !== "plain" && maxDatagramBytes < LEAST_HEADER_DATAGRAM_BYTES) {
    const advice = `the ${mode} mode needs ${LEAST_HEADER_DATAGRAM_BYTES} for its handshake`;
    throw wrongOption("maxDatagramBytes", maxDatagramBytes, advice);
  }
  checkCountOption("idleTimeoutMs", idleTimeoutMs, MAX_TIMEOUT_MS);
  checkCountOption("giveUpMs", giveUpMs, MAX_TIMEOUT_MS);
  const buffers: { receiveBufferBytes?: number; sendBufferBytes?: number } = {};
  for (const name of BUFFER_NAMES) {
    const value = given[name] ?? defaults[name];
    if (value === undefined) continue;
    checkCountOption(name, value, MAX_SOCKET_BUFFER_BYTES);
    buffers[name] = value;
  }
  return { mode, maxDatagramBytes, idleTimeoutMs, giveUpMs, ...buffers };
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeDialOptions({ options }: Endpoint, defaults: CompleteOptions): CompleteDialOptions {
  const given = options as UdpDialOptions;
  checkOptionNames("", given, DIAL_NAMES);
  const general = completeOptions(given, defaults);
  const { subprotocols = [], multicast } = given;
  if (!Array.isArray(subprotocols)) throw wrongOption("subprotocols", subprotocols, "give an array of strings");
  for (const name of subprotocols as readonly unknown[]) {
    if (typeof name !== "string" || !/^[\x21-\x7e]{1,255}$/.test(name)) {
      throw wrongOption("subprotocols", name, "give names of 1 to 255 printable ASCII characters, without spaces");
    }
  }
  if (subprotocols.length > 0 && general.mode === "plain") {
    throw wrongOption("subprotocols", subprotocols, "the plain mode has no handshake to offer them in");
  }
  if (multicast !== undefined) {
    checkMulticastMode(general.mode);
    checkObjectOption("multicast", multicast);
    checkOptionNames("multicast", multicast, ["interface", "ttl", "loopback"]);
    checkInterface(multicast.interface);
    if (multicast.ttl !== undefined) checkCountOption("multicast.ttl", multicast.ttl, 255);
    if (multicast.loopback !== undefined) checkBooleanOption("multicast.loopback", multicast.loopback);
  }
  return { ...general, subprotocols, multicast };
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
export function completeListenOptions({ options, host }: Endpoint, defaults: CompleteOptions): CompleteListenOptions {
  const given = options as UdpListenOptions;
  checkOptionNames("", given, LISTEN_NAMES);
  const general = completeOptions(given, defaults);
  const { maxPeers = 10_000, maxReassemblyBytes = 268_435_456 } = given;
  const { maxDatagramsPerSecond = 20_000, multicast } = given;
  checkCountOption("maxPeers", maxPeers);
  checkCountOption("maxReassemblyBytes", maxReassemblyBytes);
  checkCountOption("maxDatagramsPerSecond", maxDatagramsPerSecond);
  if (multicast !== undefined) {
    checkMulticastMode(general.mode);
    checkObjectOption("multicast", multicast);
    checkOptionNames("multicast", multicast, ["group", "interface"]);
    const family = isIP(multicast.group);
    if (family === 0) throw wrongOption("multicast.group", multicast.group, "give an address, such as 239.1.2.3");
    if (isIP(host) !== 0 && isIP(host) !== family) {
      throw wrongOption("multicast.group", multicast.group, `the listener at ${host} is of the other address family`);
    }
    checkInterface(multicast.interface);
  }
  return { ...general, maxPeers, maxReassemblyBytes, maxDatagramsPerSecond, multicast };
}

function checkMulticastMode(mode: UdpMode): void {
  if (mode !== "plain") throw wrongOption("mode", mode, "multicast goes with the plain mode only");
}

function checkInterface(value: unknown): void {
  if (value === undefined || (typeof value === "string" && value !== "")) return;
  throw wrongOption("multicast.interface", value, "give the address of an interface");
}
