import type { DataFormat } from "@polywire/core";
import type {
  Answer,
  ClientSession,
  ConnectRequest,
  ConnectResult,
  Disconnect,
  HistoryCommand,
  Origin,
  Outlet,
  SessionHost,
  SubscribeRequest,
  SubscribeResult,
} from "@polywire/realtime";

type Call = readonly [name: string, ...details: unknown[]];

/** A hub that only notes what it is asked; tests answer for it. */
export class ScriptedHub implements SessionHost {
  readonly linkLimits = { maxMessageBytes: 2_000_000, maxBufferedBytes: 4_000_000, waitAboveBytes: 262_144 };
  readonly sessions: ScriptedSession[] = [];

  openSession(outlet: Outlet, origin: Origin): ClientSession {
    const session = new ScriptedSession(outlet, origin);
    this.sessions.push(session);
    return session;
  }

  get session(): ScriptedSession {
    return this.sessions.at(-1) as ScriptedSession;
  }
}

export const connected: ConnectResult = {
  client: "c1",
  version: "1.0",
  subscriptions: new Map(),
  pingIntervalMs: 25_000,
  isPongExpected: true,
};

export class ScriptedSession implements ClientSession {
  readonly id = "c1";
  readonly outlet: Outlet;
  readonly origin: Origin;
  readonly calls: Call[] = [];
  readonly answers: Answer<never>[] = [];
  isClosed = false;
  /** How often its client has caught up. */
  drains = 0;
  /** Connects are answered at once, unless this is off. */
  answersConnects = true;

  constructor(outlet: Outlet, origin: Origin) {
    this.outlet = outlet;
    this.origin = origin;
  }

  /** What was called since the last time. */
  take(): Call[] {
    return this.calls.splice(0);
  }

  /** Answers the oldest call that waits. */
  answer<Result>(...given: Parameters<Answer<Result>>): void {
    const answer = this.answers.shift() as Answer<Result> | undefined;
    if (answer === undefined) throw new Error("nothing waits for an answer");
    answer(...given);
  }

  connect(request: ConnectRequest, answer: Answer<ConnectResult>): void {
    this.calls.push(["connect", request]);
    if (this.answersConnects) answer(undefined, connected);
    else this.#wait(answer);
  }

  subscribe(request: SubscribeRequest, answer: Answer<SubscribeResult>): void {
    this.calls.push(["subscribe", request]);
    this.#wait(answer);
  }

  unsubscribe(channel: string, answer: Answer<undefined>): void {
    this.calls.push(["unsubscribe", channel]);
    this.#wait(answer);
  }

  publish(channel: string, data: Uint8Array, format: DataFormat, answer: Answer<undefined>): void {
    this.calls.push(["publish", channel, new TextDecoder().decode(data), format]);
    this.#wait(answer);
  }

  presence(channel: string, answer: Answer<never>): void {
    this.calls.push(["presence", channel]);
    this.#wait(answer);
  }

  presenceStats(channel: string, answer: Answer<never>): void {
    this.calls.push(["presenceStats", channel]);
    this.#wait(answer);
  }

  history(command: HistoryCommand, answer: Answer<never>): void {
    this.calls.push(["history", command]);
    this.#wait(answer);
  }

  call(method: string, data: Uint8Array, answer: Answer<Uint8Array>): void {
    this.calls.push(["call", method, new TextDecoder().decode(data)]);
    this.#wait(answer);
  }

  send(data: Uint8Array, format: DataFormat): void {
    this.calls.push(["send", new TextDecoder().decode(data), format]);
  }

  refresh(token: string, answer: Answer<{ readonly ttlMs?: number }>): void {
    this.calls.push(["refresh", token]);
    this.#wait(answer);
  }

  refreshSubscription(channel: string, token: string, answer: Answer<{ readonly ttlMs?: number }>): void {
    this.calls.push(["refreshSubscription", channel, token]);
    this.#wait(answer);
  }

  pong(): void {
    this.calls.push(["pong"]);
  }

  drained(): void {
    this.drains++;
  }

  disconnect(disconnect: Disconnect): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.outlet.disconnect(disconnect, false);
  }

  closed(): void {
    this.isClosed = true;
    this.calls.push(["closed"]);
  }

  #wait<Result>(answer: Answer<Result>): void {
    this.answers.push(answer);
  }
}
