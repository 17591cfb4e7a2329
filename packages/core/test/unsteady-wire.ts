import {
  type CloseInfo,
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
  maxMessageBytes: 100,
};

/** A link whose other side is the test. */
export class UnsteadyLink implements Link {
  readonly traits: Traits;
  readonly peer: Peer = { path: "/", query: "", secure: false };
  readonly framing = undefined;
  readonly sent: Payload[] = [];
  readonly calls: string[] = [];
  refusal: Refusal | undefined = undefined;
  bufferedBytes = 0;
  pings: ((roundTripMs: number | undefined) => void)[] = [];
  #sink: Sink | undefined = undefined;
  #isGone = false;

  constructor(traits: Traits) {
    this.traits = traits;
  }

  open(sink: Sink): void {
    this.#sink = sink;
  }

  send(payload: Payload | Prepared): SendResult {
    if (this.#isGone) {
      this.refusal = "closed";
      return "refused";
    }
    this.sent.push(payload as Payload);
    return "sent";
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  ping(done: (roundTripMs: number | undefined) => void): void {
    this.pings.push(done);
  }

  close({ discard = false, reason = "" }: { discard?: boolean; reason?: string } = {}): void {
    if (this.#isGone) return;
    this.calls.push(discard ? "cut" : "close");
    queueMicrotask(() => this.gone({ by: "local", clean: !discard, reason, retryable: false }));
  }

  /** The peer says something. */
  says(payload: Payload): void {
    this.#sink?.message(payload);
  }

  /** The link is gone. */
  gone(info: Partial<CloseInfo> = {}): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const error = new PolywireError("connection-reset", "the cable was cut");
    const lost: CloseInfo = { by: "network", clean: false, reason: "", retryable: true, bytesLost: 0, error };
    const { error: _, ...clean } = lost;
    this.#sink?.closed({ ...(info.clean === true ? clean : lost), ...info });
  }
}

/** A wire whose dials the test decides on. */
export class UnsteadyWire {
  readonly name = "unsteady";
  readonly contractVersion: typeof CONTRACT_VERSION = CONTRACT_VERSION;
  readonly schemes = ["unsteady"] as const;
  readonly links = { dial: (_endpoint: unknown, context: DialContext): Promise<UnsteadyLink> => this.#dial(context) };
  /** Dials that wait for their outcome. */
  readonly dials: Dial[] = [];
  readonly all: UnsteadyLink[] = [];
  readonly #traits: Traits;
  /** What every dial comes to without being asked; undefined: the test says. */
  outcome: (() => PolywireError | undefined) | undefined = undefined;
  dialled = 0;

  constructor(traits: Partial<Traits> = {}) {
    this.#traits = { ...TRAITS, ...traits };
  }

  traits(): Traits {
    return this.#traits;
  }

  /** The link that was made last. */
  get last(): UnsteadyLink {
    return this.all.at(-1) as UnsteadyLink;
  }

  #dial(context: DialContext): Promise<UnsteadyLink> {
    this.dialled++;
    context.mark("connect");
    return new Promise((resolve, reject) => {
      const dial: Dial = {
        context,
        succeed: () => {
          const link = new UnsteadyLink(this.#traits);
          this.all.push(link);
          resolve(link);
        },
        with: (link) => resolve(link as UnsteadyLink),
        fail: (error) => reject(error),
      };
      if (this.outcome === undefined) {
        this.dials.push(dial);
        return;
      }
      const error = this.outcome();
      if (error === undefined) dial.succeed();
      else dial.fail(error);
    });
  }
}

export interface Dial {
  readonly context: DialContext;
  succeed(): void;
  /** With a link of the test's own. */
  with(link: Link): void;
  fail(error: Error): void;
}
