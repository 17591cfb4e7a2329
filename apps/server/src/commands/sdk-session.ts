import { webSocketOver } from "@polywire/client";
import {
  Cancellation,
  MAX_DELAY_MS,
  Network,
  PolywireError,
  parseEndpoint,
  systemClock,
  unlessAborted,
} from "@polywire/core";
import { Centrifuge, type Options, type TransportEndpoint } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";
import { type CommandHost, oneLine } from "../command-host.ts";
import { headersOf, tlsOptions } from "./dial-flags.ts";
import { fetchOver } from "./fetch-over.ts";
import { type SdkFlags, speaksProtobuf, tokenOf } from "./sdk-flags.ts";

const WEBSOCKET_PATH = "/connection/websocket";
const HTTP_STREAM_PATH = "/connection/http_stream";
const EMULATION_PATH = "/emulation";
const CLOSE_TIMEOUT_MS = 2_000;

/** What the flags say of dialling. */
interface DialParts {
  readonly tls: { readonly tls?: object };
  readonly headers: ReadonlyMap<string, string>;
}

/** The official SDK, connected to a hub over any wire. */
export class SdkSession implements AsyncDisposable {
  readonly client: Centrifuge;
  /** Commands given one after the other arrive so. Over HTTP each is a request of its own, and they overtake one another. */
  readonly keepsOrder: boolean;
  readonly #network: Network<ReturnType<CommandHost["protocols"]>>;
  readonly #host: CommandHost;
  readonly #shownUrl: string;
  readonly #timeoutMs: number;
  #wasConnected = false;
  #lastError: PolywireError | undefined = undefined;
  #failed: (error: PolywireError) => void = () => {};

  constructor(url: string, flags: SdkFlags, host: CommandHost) {
    const endpoint = parseEndpoint(url);
    this.#host = host;
    this.#shownUrl = endpoint.display;
    this.#timeoutMs = Math.max(flags.timeout, 1);
    this.#network = new Network({ protocols: host.protocols() });
    const { scheme } = endpoint;
    const isHttp = scheme === "http" || scheme === "https";
    this.keepsOrder = !isHttp;
    const dial = { tls: tlsOptions(flags, host), headers: headersOf(flags) };
    const options: Partial<Options> = {
      name: "polywire",
      token: tokenOf(flags, host),
      ...(isHttp
        ? { emulationEndpoint: withPath(url, EMULATION_PATH), fetch: this.#fetch(url, dial) }
        : { websocket: this.#socketClass(scheme, dial) }),
    };
    // Two builds of one class: their types differ in private fields only.
    const Sdk = (speaksProtobuf(url, flags) ? ProtobufCentrifuge : Centrifuge) as typeof Centrifuge;
    this.client = new Sdk(isHttp ? httpEndpoints(url) : webSocketUrl(url), options);
    this.client.on("error", ({ error }) => this.#error(new PolywireError("handshake-failed", error.message)));
    this.client.on("disconnected", ({ code, reason }) => this.#ended(code, reason));
    this.client.on("connecting", ({ reason }) => {
      if (this.#wasConnected) host.error(oneLine(`connecting again: ${reason}`));
    });
  }

  /** @throws PolywireError if the first try fails; later the SDK comes back by itself. */
  async connect(signal: AbortSignal): Promise<void> {
    const connected = new Promise<void>((resolve, reject) => {
      this.#failed = reject;
      this.client.on("connected", ({ transport }) => {
        this.#wasConnected = true;
        this.#lastError = undefined;
        this.#host.error(
          oneLine(`connected to ${this.#shownUrl}${transport === "websocket" ? "" : ` (${transport})`}`),
        );
        resolve();
      });
    });
    const purpose = `connect to "${this.#shownUrl}"`;
    const cancellation = new Cancellation({ clock: systemClock, signal, timeoutMs: this.#timeoutMs, purpose });
    try {
      this.client.connect();
      await unlessAborted(connected, cancellation.signal);
    } finally {
      cancellation.release();
    }
  }

  /** Calls back if the server ends the session for good. */
  onEnd(ended: (error: PolywireError) => void): void {
    this.#failed = ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failed = () => {};
    this.client.removeAllListeners();
    this.client.disconnect();
    await this.#network.close({ timeoutMs: CLOSE_TIMEOUT_MS });
  }

  #fetch(url: string, { tls, headers }: DialParts): typeof fetch {
    const options = {
      ...tls,
      headers: Object.fromEntries(headers),
      connectTimeoutMs: this.#timeoutMs,
      // The SDK knows by itself when its stream has been silent for too long.
      bodyGapTimeoutMs: MAX_DELAY_MS,
      maxResponseBytes: Number.MAX_SAFE_INTEGER,
    };
    return fetchOver({
      open: () => this.#network.open(url, options),
      onError: (error) => this.#error(error),
    });
  }

  #socketClass(scheme: string, { tls, headers }: DialParts): unknown {
    return webSocketOver(this.#network, {
      dial: { [scheme]: tls },
      headers: Object.fromEntries(headers),
      timeoutMs: this.#timeoutMs,
      onError: (error) => this.#error(error),
    });
  }

  /** The wire's own error comes before the SDK's, which says no more than that the transport closed. */
  #error(error: PolywireError): void {
    this.#lastError ??= error;
    if (!this.#wasConnected) this.#failed(this.#named(this.#lastError));
  }

  #ended(code: number, reason: string): void {
    this.#failed(this.#lastError ?? new PolywireError("handshake-failed", `${this.#shownUrl}: ${reason} (${code})`));
  }

  #named(error: PolywireError): PolywireError {
    if (error.message.includes(this.#shownUrl)) return error;
    return new PolywireError(error.code, `cannot connect to "${this.#shownUrl}": ${error.message}`, { cause: error });
  }
}

/** A WebSocket URL without a path is that of a Polywire server. */
function webSocketUrl(url: string): string {
  const { scheme, path } = parseEndpoint(url);
  const isBare = path === "" || path === "/";
  return isBare && (scheme === "ws" || scheme === "wss") ? withPath(url, WEBSOCKET_PATH) : url;
}

function httpEndpoints(url: string): TransportEndpoint[] {
  const { path } = parseEndpoint(url);
  const endpoint = path === "" || path === "/" ? withPath(url, HTTP_STREAM_PATH) : url;
  return [{ transport: "http_stream", endpoint }];
}

function withPath(url: string, path: string): string {
  const changed = new URL(url);
  changed.pathname = path;
  return changed.href;
}
