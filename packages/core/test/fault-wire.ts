import {
  type Clock,
  CONTRACT_VERSION,
  type DialContext,
  type Link,
  type Payload,
  type Peer,
  PolywireError,
  type Prepared,
  type Refusal,
  type SendResult,
  type Sink,
  type Traits,
} from "../src/index.ts";

const TRAITS: Traits = {
  kind: "message",
  ordered: true,
  reliable: true,
  halfClose: false,
  ping: "native",
  text: true,
  closeCodes: true,
  handshake: true,
  content: "any",
  maxMessageBytes: 1_000,
};

/** As the links of ws and udp give their pings up. */
const PING_DEADLINE_MS = 8_000;

/** What lies between the program and its peer, which echoes everything. */
export interface Conditions {
  /** The way there and back, in milliseconds. */
  roundTripMs: number;
  /** By how much a round trip may be longer or shorter, evenly spread, in milliseconds. */
  jitterMs: number;
  /** Share of the round trips that get lost, evenly spread over time: of ten in a row a tenth is one. */
  loss: number;
  /** Nothing passes either way, and nobody is told. */
  isBlackHole: boolean;
  /** The peer takes nothing: what is sent waits. */
  isClogged: boolean;
  /** It has taken nothing for so long that nothing more may wait. */
  isFull: boolean;
}

const CLEAR: Conditions = { roundTripMs: 5, jitterMs: 0, loss: 0, isBlackHole: false, isClogged: false, isFull: false };

/** One link through the conditions of its wire, to a peer that echoes. */
export class FaultLink implements Link {
  readonly traits: Traits;
  readonly peer: Peer = { path: "/", query: "", secure: false };
  readonly framing = undefined;
  refusal: Refusal | undefined = undefined;
  bufferedBytes = 0;
  readonly #wire: FaultWire;
  readonly #clock: Clock;
  #sink: Sink | undefined = undefined;
  /** What came while nobody read; pings wait behind it as they do on a socket. */
  #held: (() => void)[] = [];
  #isPaused = false;
  #isGone = false;

  constructor(wire: FaultWire, clock: Clock) {
    this.#wire = wire;
    this.#clock = clock;
    this.traits = wire.traits();
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  open(sink: Sink): void {
    this.#sink = sink;
  }

  send(payload: Payload | Prepared): SendResult {
    if (this.#isGone) {
      this.refusal = "closed";
      return "refused";
    }
    if (this.#wire.conditions.isFull) {
      this.refusal = "overflow";
      return "refused";
    }
    this.#wire.sent.push(payload as Payload);
    this.#travel(() => this.#sink?.message(payload as Payload));
    return this.#wire.conditions.isClogged ? "wait" : "sent";
  }

  ping(done: (roundTripMs: number | undefined) => void): void {
    const sentAtMs = this.#clock.now();
    let isOver = false;
    const settle = (roundTripMs: number | undefined): void => {
      if (isOver) return;
      isOver = true;
      deadline.cancel();
      done(roundTripMs);
    };
    const deadline = this.#clock.setTimer(() => settle(undefined), PING_DEADLINE_MS);
    this.#wire.pinged++;
    this.#travel(() => settle(this.#clock.now() - sentAtMs));
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const arrive of this.#held.splice(0)) arrive();
  }

  close({ discard = false }: { discard?: boolean } = {}): void {
    if (this.#isGone) return;
    this.#isGone = true;
    queueMicrotask(() => {
      this.#sink?.closed({ by: "local", clean: !discard, reason: "", retryable: false, bytesLost: 0 });
    });
  }

  /** The peer says something of its own accord. */
  says(payload: Payload): void {
    this.#arrive(() => this.#sink?.message(payload));
  }

  /** The peer has caught up. */
  drains(): void {
    this.#sink?.drain?.();
  }

  /** The network tells that it is gone. */
  breaks(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const error = new PolywireError("connection-reset", "the cable was cut");
    this.#sink?.closed({ by: "network", clean: false, reason: "", retryable: true, bytesLost: 0, error });
  }

  #travel(arrive: () => void): void {
    const { conditions } = this.#wire;
    if (conditions.isBlackHole || this.#wire.loses()) return;
    const arrived = (): void => {
      // It fell into the hole on its way.
      if (!this.#isGone && !conditions.isBlackHole) this.#arrive(arrive);
    };
    // After a standstill an event loop calls the timers first, and looks at its sockets then.
    this.#clock.setTimer(() => this.#clock.endOfTurn(arrived), this.#wire.roundTripMs());
  }

  #arrive(arrive: () => void): void {
    if (this.#isPaused) this.#held.push(arrive);
    else arrive();
  }
}

/** A wire to a peer that echoes, in conditions that the test sets at any time. Its chance is seeded. */
export class FaultWire {
  readonly name = "fault";
  readonly contractVersion: typeof CONTRACT_VERSION = CONTRACT_VERSION;
  readonly schemes = ["fault"] as const;
  readonly links = { dial: (_endpoint: unknown, context: DialContext): Promise<FaultLink> => this.#dial(context) };
  readonly conditions: Conditions = { ...CLEAR };
  readonly all: FaultLink[] = [];
  readonly sent: Payload[] = [];
  pinged = 0;
  /** What a dial comes to; undefined: a link. */
  refuses: PolywireError | undefined = undefined;
  readonly #traits: Traits;
  readonly #random: () => number;
  #lossDue = 0.5;

  constructor(traits: Partial<Traits> = {}, seed = 1) {
    this.#traits = { ...TRAITS, ...traits };
    this.#random = seeded(seed);
  }

  traits(): Traits {
    return this.#traits;
  }

  /** The link that was made last. */
  get last(): FaultLink {
    return this.all.at(-1) as FaultLink;
  }

  roundTripMs(): number {
    const { roundTripMs, jitterMs } = this.conditions;
    return Math.max(0, roundTripMs + jitterMs * (2 * this.#random() - 1));
  }

  loses(): boolean {
    this.#lossDue += this.conditions.loss;
    if (this.#lossDue < 1) return false;
    this.#lossDue--;
    return true;
  }

  async #dial({ clock, signal }: DialContext): Promise<FaultLink> {
    if (this.refuses !== undefined) throw this.refuses;
    if (this.conditions.isBlackHole) {
      return await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    const link = new FaultLink(this, clock);
    this.all.push(link);
    return link;
  }
}

/** mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
