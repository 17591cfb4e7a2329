import assert from "node:assert/strict";
import type { Payload } from "@polywire/core";
import type { Command, Encoding, HistoryResult, Publication, Reply, SubscribeResult } from "./encodings.ts";
import type { ClientLink, LinkEvents, Wire } from "./transports.ts";

export interface End {
  readonly code: number;
  readonly reason: string;
}

/** A procedure that every server under test has; it tells a client that all it said before was dealt with. */
export const FENCE = "fence";

export interface WireClientPlace {
  readonly wire: Wire;
  readonly address: string;
  readonly encoding: Encoding;
  /** How long to wait for what must come. */
  readonly patienceMs: number;
}

/** A client that says exactly what a law wants said, and takes what comes word by word. */
export class WireClient implements LinkEvents {
  /** Set by the connect's reply. */
  id = "";
  readonly encoding: Encoding;
  readonly #patienceMs: number;
  #link: ClientLink | undefined = undefined;
  #received: Reply[] = [];
  #end: End | undefined = undefined;
  #wake: (() => void) | undefined = undefined;
  #unreadable: assert.AssertionError | undefined = undefined;
  #lastId = 0;

  private constructor(encoding: Encoding, patienceMs: number) {
    this.encoding = encoding;
    this.#patienceMs = patienceMs;
  }

  /** A client that has its link and has said nothing. */
  static async dial({ wire, address, encoding, patienceMs }: WireClientPlace): Promise<WireClient> {
    const client = new WireClient(encoding, patienceMs);
    client.#link = await wire.dial(address, encoding, client);
    return client;
  }

  get link(): ClientLink {
    assert(this.#link !== undefined);
    return this.#link;
  }

  frame(frame: Payload): void {
    for (const reply of this.#decode(frame)) {
      const farewell = reply.push?.disconnect;
      // Wires that cannot close with a code say it in a push.
      if (farewell !== undefined) this.#end ??= { code: farewell.code ?? 0, reason: farewell.reason ?? "" };
      else this.#received.push(reply);
    }
    this.#wake?.();
  }

  #decode(frame: Payload): readonly Reply[] {
    try {
      return this.encoding.decode(frame);
    } catch (thrown) {
      this.#unreadable ??= new assert.AssertionError({ message: `an unreadable frame: ${String(thrown)}` });
      return [];
    }
  }

  closed(code: number, reason: string): void {
    this.#end ??= { code, reason };
    this.#wake?.();
  }

  /** Sends commands in one frame, as they are. */
  say(...commands: readonly Command[]): void {
    this.link.send(this.encoding.encode(...commands));
  }

  /** An id that this client has not used. */
  newId(): number {
    return ++this.#lastId;
  }

  /** The next reply or push. */
  async next(what: string): Promise<Reply> {
    await this.#until(() => this.#received.length > 0 || this.#end !== undefined, what);
    const reply = this.#received.shift();
    if (reply === undefined) assert.fail(`waited for ${what}, and the link ended: ${JSON.stringify(this.#end)}`);
    return reply;
  }

  /** Sends one command; the next thing that comes must be its answer. */
  async ask(command: Command): Promise<Reply> {
    const { before, reply } = await this.askAmid(command);
    assert.deepEqual(before, [], `before the answer to ${JSON.stringify(command)}`);
    return reply;
  }

  /** Sends one command; what came before its answer comes along. */
  async askAmid(command: Command): Promise<{ readonly before: readonly Reply[]; readonly reply: Reply }> {
    const id = this.newId();
    this.say({ id, ...command });
    const before: Reply[] = [];
    for (;;) {
      const reply = await this.next(`the answer to ${JSON.stringify(command)}`);
      if (reply.id === id) return { before, reply };
      before.push(reply);
    }
  }

  /** Asks for something that must be answered with an error; its code. */
  async errorOf(command: Command): Promise<number> {
    const { error } = await this.ask(command);
    assert(error !== undefined, `no error for ${JSON.stringify(command)}`);
    return error.code ?? 0;
  }

  async connect(request: Command = {}): Promise<Reply> {
    const reply = await this.ask({ connect: request });
    this.id = reply.connect?.client ?? "";
    return reply;
  }

  async subscribe(channel: string, request: Command = {}): Promise<SubscribeResult> {
    const { subscribe, error } = await this.ask({ subscribe: { channel, ...request } });
    assert(subscribe !== undefined, `not subscribed to "${channel}": ${JSON.stringify(error)}`);
    return subscribe;
  }

  async history(request: Command): Promise<Required<HistoryResult>> {
    const { history, error } = await this.ask({ history: request });
    assert(history !== undefined, `no history: ${JSON.stringify(error)}`);
    return { publications: [], epoch: "", offset: 0, ...history };
  }

  /** The next thing, which must be a publication of the channel. */
  async publication(channel: string): Promise<Publication> {
    const reply = await this.next(`a publication of "${channel}"`);
    assert(reply.push?.pub !== undefined, `no publication but ${JSON.stringify(reply)}`);
    assert.equal(reply.push.channel, channel);
    return reply.push.pub;
  }

  /** So many publications; their data. */
  async publications(channel: string, count: number): Promise<unknown[]> {
    const data: unknown[] = [];
    while (data.length < count) data.push((await this.publication(channel)).data);
    return data;
  }

  /** Everything that came up to now, after all that was said before has been dealt with. */
  async everything(): Promise<readonly Reply[]> {
    const { before, reply } = await this.askAmid({ rpc: { method: FENCE } });
    assert(reply.error === undefined, `not there any more: ${JSON.stringify(reply.error)}`);
    return before;
  }

  async expectNothing(): Promise<void> {
    assert.deepEqual(await this.everything(), []);
  }

  /** Waits for the link's end, with this code and, if given, reason, and for nothing else to have come. */
  async expectEnd(code: number, reason?: string): Promise<void> {
    const end = await this.ended(`the end with ${code}`);
    assert.deepEqual(this.#received, [], `said before the end with ${code}`);
    assert.deepEqual(end, { code, reason: reason ?? end.reason });
  }

  async ended(what = "the end"): Promise<End> {
    await this.#until(() => this.#end !== undefined, what);
    return this.#end as End;
  }

  async #until(isTrue: () => boolean, what: string): Promise<void> {
    if (this.#unreadable !== undefined) throw this.#unreadable;
    if (isTrue()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const seen = (): string => `came: ${JSON.stringify(this.#received).slice(0, 500)}`;
    const giveUp = (): void => reject(new assert.AssertionError({ message: `waited in vain for ${what}; ${seen()}` }));
    const timer = setTimeout(giveUp, this.#patienceMs);
    this.#wake = () => {
      if (this.#unreadable !== undefined) reject(this.#unreadable);
      else if (isTrue()) resolve();
    };
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }
}
