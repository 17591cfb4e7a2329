import { type CloseInfo, type Link, type Payload, PolywireError } from "@polywire/core";
import {
  type ClientError,
  type ClientSession,
  DISCONNECTS,
  type Disconnect,
  ERRORS,
  type Origin,
  type SessionHost,
} from "@polywire/realtime";
import { ClientOutlet, type EncodingGroup } from "./client-outlet.ts";
import { isBlank } from "./frame-cutter.ts";
import type { FrameSink } from "./frame-sinks.ts";
import type { ConnectRequest } from "./message.ts";
import { connectRequest, connectResult, withoutRecovery } from "./results.ts";

/** There is no reply that could hold an error, so a connect that fails is an end. */
const ENDS: ReadonlyMap<number, Disconnect> = new Map([
  [ERRORS.tokenExpired.code, DISCONNECTS.connectionExpired],
  [ERRORS.expired.code, DISCONNECTS.connectionExpired],
  [ERRORS.tooManyRequests.code, DISCONNECTS.tooManyRequests],
  [ERRORS.permissionDenied.code, DISCONNECTS.permissionDenied],
]);

/** The id that no reply needs. */
const NO_ID = 0;

/** Where a client comes to and from. */
export interface ListenerPlace {
  readonly hub: SessionHost;
  readonly origin: Origin;
  /** Sent before everything else. */
  readonly preamble?: string | undefined;
  /** Whether its end is told in a push, also where a close has a code. */
  readonly tellsEnd?: boolean;
}

/** One client that only listens: it connects, is subscribed by the server, and is told. */
export class UnidirectionalClient implements FrameSink {
  readonly #group: EncodingGroup;
  readonly #outlet: ClientOutlet;
  readonly #session: ClientSession;
  #hasConnected = false;

  constructor(link: Link, group: EncodingGroup, { hub, origin, preamble, tellsEnd = false }: ListenerPlace) {
    this.#group = group;
    // It gives no commands that could be held up.
    this.#outlet = new ClientOutlet(link, tellsEnd ? { ...group, tellsEnd } : group, {
      fellBehind() {},
      answered() {},
    });
    link.open(this);
    if (preamble !== undefined) link.send(preamble);
    this.#session = hub.openSession(this.#outlet, origin);
    this.#outlet.session = this.#session;
  }

  connect(request: ConnectRequest): void {
    this.#hasConnected = true;
    const { codec, options } = this.#group;
    const pings = options.pong ? "unanswered" : "none";
    this.#session.connect({ ...connectRequest(request), pings }, (error, result) => {
      if (result === undefined) return this.#session.disconnect(endOf(error));
      if (this.#outlet.tellIfFits(codec.connect(NO_ID, connectResult(result)))) return;
      this.#outlet.tell(codec.connect(NO_ID, connectResult(withoutRecovery(result))));
    });
  }

  /** Over a link the first message connects. After it there is nothing to say; a pong that nobody needs does no harm. */
  message(frame: Payload): void {
    if (this.#session.isClosed) return;
    if (this.#hasConnected) return isPong(frame) ? undefined : this.malformed();
    let request: ConnectRequest;
    try {
      request = this.#group.codec.readConnect(frame);
    } catch (thrown) {
      if (!PolywireError.is(thrown)) throw thrown;
      return this.malformed();
    }
    this.connect(request);
  }

  malformed(): void {
    this.#session.disconnect(DISCONNECTS.badRequest);
  }

  flooded(): void {
    this.#session.disconnect(DISCONNECTS.tooManyRequests);
  }

  drain(): void {
    this.#session.drained();
  }

  closed(_info: CloseInfo): void {
    this.#session.closed();
  }
}

function endOf(error: ClientError | undefined): Disconnect {
  return ENDS.get(error?.code ?? 0) ?? DISCONNECTS.internal;
}

/** An empty command of either encoding, with or without its length. */
function isPong(frame: Payload): boolean {
  if (typeof frame === "string") return frame.trim() === "{}" || isBlank(frame);
  return frame.length === 0 || (frame.length === 1 && frame[0] === 0) || isPong(new TextDecoder().decode(frame));
}
