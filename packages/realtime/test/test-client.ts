import type { ClientInfo, DataFormat, HistoryPage, PresenceStats, SendResult } from "@polywire/core";
import type {
  Answer,
  ChannelEvent,
  ClientError,
  ClientSession,
  ConnectRequest,
  ConnectResult,
  Disconnect,
  Outlet,
  RefreshResult,
  SessionHost,
  SubscribeRequest,
  SubscribeResult,
  Unsubscribe,
} from "../src/index.ts";

/** One thing that a client was told, as a line of a transcript. */
export type Told =
  | {
      readonly kind: "publication";
      readonly channel: string;
      readonly offset: number | undefined;
      readonly text: string;
    }
  | { readonly kind: "join" | "leave"; readonly channel: string; readonly client: string }
  | { readonly kind: "unsubscribed"; readonly channel: string; readonly code: number }
  | { readonly kind: "subscribed"; readonly channel: string; readonly result: SubscribeResult }
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "ping" }
  | { readonly kind: "disconnect"; readonly code: number; readonly discard: boolean }
  | { readonly kind: "answer"; readonly to: string; readonly error: number | undefined; readonly result: unknown };

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export interface TestClientOptions {
  readonly encoding?: string;
  /** Lets the client fall behind: whatever it is told past this many bytes is refused. */
  readonly capacityBytes?: number;
  /** Past this many bytes it says that it is behind. */
  readonly waitAboveBytes?: number;
}

/**
 * A client without a wire: it keeps a transcript of what it is told, and sends commands. It is the outlet of its session.
 */
export class TestClient implements Outlet {
  readonly transport = "test";
  readonly encoding: string;
  readonly transcript: Told[] = [];
  /** Publications with everything that came with them. */
  readonly events: ChannelEvent[] = [];
  readonly session: ClientSession;
  bufferedBytes = 0;
  /** A client that does not read: what it is told stays in its queue. */
  isReading = true;
  capacityBytes: number;
  readonly waitAboveBytes: number;
  isClosed = false;
  /** Called with everything told; may throw. */
  onTold: ((told: Told) => void) | undefined = undefined;

  constructor(hub: SessionHost, options: TestClientOptions = {}) {
    this.encoding = options.encoding ?? "json";
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.waitAboveBytes = options.waitAboveBytes ?? Number.POSITIVE_INFINITY;
    this.session = hub.openSession(this, { transport: this.transport, encoding: this.encoding });
  }

  get id(): string {
    return this.session.id;
  }

  /** What was told since the last time. */
  take(): Told[] {
    return this.transcript.splice(0);
  }

  /** The last answer to a command of this name. */
  answerTo(name: string): Extract<Told, { kind: "answer" }> {
    const found = this.transcript.findLast((told) => told.kind === "answer" && told.to === name);
    if (found?.kind !== "answer") throw new Error(`no answer to ${name}: ${JSON.stringify(this.transcript)}`);
    return found;
  }

  /** Offsets of the publications that were pushed, or their texts where there are no offsets. */
  get published(): (number | string)[] {
    return this.transcript.flatMap((told) => (told.kind === "publication" ? [told.offset ?? told.text] : []));
  }

  get disconnectCode(): number | undefined {
    const told = this.transcript.find(({ kind }) => kind === "disconnect");
    return told?.kind === "disconnect" ? told.code : undefined;
  }

  connect(request: ConnectRequest = {}): this {
    this.session.connect(request, this.#note<ConnectResult>("connect"));
    return this;
  }

  subscribe(channel: string, request: Partial<SubscribeRequest> = {}): this {
    const complete: SubscribeRequest = {
      channel,
      recover: false,
      since: { offset: 0, epoch: "" },
      positioned: false,
      recoverable: false,
      joinLeave: false,
      rejectUnrecovered: false,
      ...request,
    };
    this.session.subscribe(complete, this.#note<SubscribeResult>(`subscribe ${channel}`));
    return this;
  }

  unsubscribe(channel: string): this {
    this.session.unsubscribe(channel, this.#note<undefined>(`unsubscribe ${channel}`));
    return this;
  }

  publish(channel: string, data: unknown, format: DataFormat = "json"): this {
    const bytes = data instanceof Uint8Array ? data : encoder.encode(JSON.stringify(data));
    this.session.publish(channel, bytes, format, this.#note<undefined>(`publish ${channel}`));
    return this;
  }

  presence(channel: string): this {
    this.session.presence(channel, this.#note<readonly ClientInfo[]>(`presence ${channel}`));
    return this;
  }

  presenceStats(channel: string): this {
    this.session.presenceStats(channel, this.#note<PresenceStats>(`stats ${channel}`));
    return this;
  }

  history(
    channel: string,
    {
      limit = -1,
      since,
      reverse = false,
    }: { limit?: number; since?: { offset: number; epoch: string }; reverse?: boolean } = {},
  ): this {
    const command = { channel, limit, isReverse: reverse, ...(since === undefined ? {} : { since }) };
    this.session.history(command, this.#note<HistoryPage>(`history ${channel}`));
    return this;
  }

  call(method: string, data: unknown = {}): this {
    this.session.call(method, encoder.encode(JSON.stringify(data)), this.#note<Uint8Array>(`call ${method}`));
    return this;
  }

  refresh(token: string): this {
    this.session.refresh(token, this.#note<RefreshResult>("refresh"));
    return this;
  }

  refreshSubscription(channel: string, token: string): this {
    this.session.refreshSubscription(channel, token, this.#note<RefreshResult>(`refresh ${channel}`));
    return this;
  }

  event(event: ChannelEvent, _form?: number): SendResult {
    if (event.kind !== "publication") {
      this.#tell({ kind: event.kind, channel: event.channel, client: event.info.client });
      return "sent";
    }
    const { data, offset } = event.publication;
    if (this.isClosed) return "refused";
    if (!this.isReading) {
      if (this.bufferedBytes + data.length > this.capacityBytes) return "refused";
      this.bufferedBytes += data.length;
    }
    this.events.push(event);
    this.#tell({ kind: "publication", channel: event.channel, offset, text: decoder.decode(data) });
    return this.bufferedBytes > this.waitAboveBytes ? "wait" : "sent";
  }

  /** The client takes what is in its queue, once. */
  read(): void {
    this.bufferedBytes = 0;
    this.session.drained();
  }

  unsubscribed(channel: string, { code }: Unsubscribe): void {
    this.#tell({ kind: "unsubscribed", channel, code });
  }

  subscribed(channel: string, result: SubscribeResult): void {
    this.#tell({ kind: "subscribed", channel, result });
  }

  message(data: Uint8Array): SendResult {
    if (!this.isReading) this.bufferedBytes += data.length;
    this.#tell({ kind: "message", text: decoder.decode(data) });
    return "sent";
  }

  ping(): void {
    this.#tell({ kind: "ping" });
  }

  disconnect({ code }: Disconnect, discard: boolean): void {
    this.#tell({ kind: "disconnect", code, discard });
  }

  #note<Result>(to: string): Answer<Result> {
    return (error: ClientError | undefined, result: Result | undefined) => {
      this.#tell({ kind: "answer", to, error: error?.code, result });
    };
  }

  #tell(told: Told): void {
    this.transcript.push(told);
    this.onTold?.(told);
  }
}
