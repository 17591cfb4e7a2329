import {
  ACCEPTED,
  type CloseInfo,
  type CloseReason,
  type Framing,
  type Link,
  type LinkLimits,
  type Payload,
  type Prepared,
  type Refusal,
  type SendResult,
  type Sink,
  type Traits,
} from "@polywire/core";
import { between, type Fault, MutantLink } from "./mutant.ts";

/** One fault, the law that has to catch it, and what the law has to say. */
export interface Mutant {
  readonly does: string;
  readonly breaks: string;
  readonly says: RegExp;
  readonly fault: Fault;
}

const LAW = {
  sizes: "payloads of every size arrive intact, both ways",
  text: "text arrives as text and bytes as bytes",
  order: "10,000 messages arrive in the order they were sent",
  reuse: "the sender may reuse its memory as soon as send returns",
  scribble: "a receiver that scribbles over what it was lent harms nobody",
  echo: "what is sent back from inside message is copied before it returns",
  late: "nothing is delivered before the link is opened, and nothing is lost by opening late",
  datagrams: "datagrams arrive as they were sent, or not at all",
  datagramTooLarge: "a datagram over the limit is refused as too large, and the next one passes",
  datagramOrder: "datagrams of an ordered wire arrive once and never late",
  datagramPeers: "peers never get each other's datagrams",
  datagramRefused: "a peer that is refused without a handshake hears nothing and gets no link",
  closeUntold: "where the other side cannot be told of a close, it ends the side that closed and no other",
  claims: "a link claims no more than its protocol, and knows its peer",
  dialler: "a close by the dialler reaches both sides once, with the right CloseInfo",
  acceptor: "a close by the accepting side reaches both sides once, with the right CloseInfo",
  both: "a close by both sides at once is one close, by whoever is asked",
  before: "what was sent before a close arrives before it",
  sendAfter: "send after close is refused as closed, on the side that closed and on the other",
  everywhere: "close may be called inside every callback and any number of times",
  unopened: "a link may be closed before it is opened",
  discard: "a close that discards ends at once, although the peer reads nothing, and counts what it lost",
  bounded: "a close ends within closeTimeoutMs, although the peer reads nothing",
  cutShort: "a close that waits for the peer is cut short by one that discards",
  closePaused: "a close by a reader that has paused ends as any other, and what it had not read is dropped",
  tooLarge: "a message over the limit is refused as too large and harms nobody",
  arrival: "a message over the receiver's limit closes its link, naming the limit, and no other",
  flow: "a paused reader stops the sender at the limit; after resume everything arrives and drain comes",
  drain: "a send that says wait is followed by drain, and one that says sent is not",
  pause: "no message comes after pause, even in the middle of what arrived together",
  pausedAtOnce: "a link that is paused as soon as it is opened delivers nothing until it is resumed",
  rest: "a reader that rests until its own drain, and goes on inside it, hears everything",
  nested: "a message that is sent or resumed for inside message comes after it, never inside it",
  maxLinks: "a listener takes no more links than maxLinks, and takes one again when one has gone",
  sharing: "links that share a connection end alone: one that is cut off leaves the others talking",
  abortedBefore: "a dial whose signal has fired before rejects with its reason and reaches nobody",
  abortedDuring: "a dial that is aborted in the middle of its handshake rejects at once with the signal's reason",
  abortedAfter: "an abort after the dial is through changes nothing",
  nobody: "a dial to where nobody listens is refused",
  listenerClose: "a closed listener frees its address and leaves established links alone",
  listenerCloses: "a handshake under way when its listener closes is refused",
  hundred: "100 dials at once give 100 links that do not mix",
  refused: "a peer that admission refuses gets no link, and learns the status",
  unwanted: "a peer that admission refuses has its connection closed, and is never accepted",
  untrusted: "a dial to a certificate that is not trusted is refused, and says so",
  halfUnheard: "a sink that has no use for half a link has it closed when the other side ends",
  judged: "a peer is judged once, and gets its link when the verdict comes",
  subprotocol: "the subprotocol that admission chooses is known to both sides",
  headers: "an established link keeps the headers that admission named, and no others",
  throws: "a sink that throws loses its own link, with the cause, and no other",
  rejects: "an async sink that rejects is one that throws",
  throwsElsewhere: "a sink that throws in closed or drain takes nothing with it",
  openTwice: "a second open throws invalid-state, and a sink without its functions invalid-argument",
  payload: "what is no payload throws at the call, and the link lives on",
  half: "one side may end while the other goes on",
  halfAnswer: "the end may be answered with a close inside ended",
  ping: "a ping tells its round trip once, after ping has returned",
  pingClosed: "a ping on a link that closes is answered with undefined, once",
  prepared: "prepared bytes shared by many links arrive equal, in order with what each link sent itself",
  preparedCopy: "prepared bytes do not change when the payloads they were made from do",
  preparedSays: "a prepared says what it holds, and counts as much in the buffer",
  remains: "no handle, timer or listener is left when everything is closed",
  thousand: "1,000 links, a hundred at a time, leave nothing behind",
  noLine: "what is no line throws at the call, where only lines can be sent",
} as const;

class Drops extends MutantLink {
  #count = 0;

  override send(payload: Payload | Prepared): SendResult {
    this.#count++;
    return this.#count % 1_000 === 0 ? "sent" : this.inner.send(payload);
  }
}

class Swaps extends MutantLink {
  #count = 0;
  #held: Payload | Prepared | undefined = undefined;

  override send(payload: Payload | Prepared): SendResult {
    this.#count++;
    if (this.#count === 4_000) {
      this.#held = payload;
      return "sent";
    }
    const result = this.inner.send(payload);
    if (this.#held !== undefined) this.inner.send(this.#held);
    this.#held = undefined;
    return result;
  }
}

class KeepsMemory extends MutantLink {
  override send(payload: Payload | Prepared): SendResult {
    if (!(payload instanceof Uint8Array)) return this.inner.send(payload);
    queueMicrotask(() => this.inner.send(payload));
    return "sent";
  }
}

class ReadsEarly extends MutantLink {
  #sink: Sink | undefined = undefined;

  constructor(inner: Link) {
    super(inner);
    this.inner.open({ message: (payload) => this.#sink?.message(payload), closed: (info) => this.#sink?.closed(info) });
  }

  override open(sink: Sink): void {
    this.#sink = sink;
  }
}

class IgnoresPause extends MutantLink {
  override pause(): void {}
}

class LosesWhatIsPaused extends MutantLink {
  #isPaused = false;

  override sink(sink: Sink): Sink {
    return between(sink, {
      message: (payload) => {
        if (!this.#isPaused) sink.message(payload);
      },
    });
  }

  override pause(): void {
    this.#isPaused = true;
  }

  override resume(): void {
    this.#isPaused = false;
  }
}

class ResumesOutsideOnly extends MutantLink {
  #isInside = false;
  override sink(real: Sink): Sink {
    return {
      message: (payload) => real.message(payload),
      closed: (info) => real.closed(info),
      drain: () => {
        this.#isInside = true;
        real.drain?.();
        this.#isInside = false;
      },
    };
  }
  override resume(): void {
    if (!this.#isInside) super.resume();
  }
}

class ResumesInside extends MutantLink {
  readonly #held: Payload[] = [];
  #isPaused = false;
  #sink: Sink | undefined = undefined;

  override sink(sink: Sink): Sink {
    this.#sink = sink;
    return between(sink, {
      message: (payload) => {
        this.#held.push(payload);
        // Waits for company, so that resume has something to deliver.
        if (this.#held.length >= 10) this.#deliver();
      },
    });
  }

  override pause(): void {
    this.#isPaused = true;
  }

  override resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#isPaused && this.#held.length > 0) this.#sink?.message(this.#held.shift() as Payload);
  }
}

class AcceptsAfterClose extends MutantLink {
  override send(payload: Payload | Prepared): SendResult {
    const result = this.inner.send(payload);
    return result === "refused" && this.inner.refusal === "closed" ? "sent" : result;
  }
}

class NoSecondClose extends MutantLink {
  #isClosing = false;

  override close(reason?: CloseReason): void {
    if (this.#isClosing) throw new Error("closed already");
    this.#isClosing = true;
    this.inner.close(reason);
  }
}

class FirstCloseWins extends MutantLink {
  #isClosing = false;

  override close(reason?: CloseReason): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.inner.close(reason);
  }
}

/** What a wire does that does not read on to hear of the peer's end. */
class ClosesWhenResumed extends MutantLink {
  #isPaused = false;
  #due: CloseReason | undefined = undefined;

  override pause(): void {
    this.#isPaused = true;
    this.inner.pause();
  }

  override resume(): void {
    this.#isPaused = false;
    this.inner.resume();
    if (this.#due !== undefined) this.inner.close(this.#due);
  }

  override close(reason: CloseReason = {}): void {
    if (this.#isPaused && reason.discard !== true) this.#due = reason;
    else this.inner.close(reason);
  }
}

/** Reads on to hear of the peer's end, and hands over what it reads. */
class ResumesToClose extends MutantLink {
  #sink: Sink | undefined = undefined;
  #isPaused = false;
  readonly #held: Payload[] = [];

  override sink(sink: Sink): Sink {
    this.#sink = sink;
    return between(sink, {
      message: (payload) => {
        if (this.#isPaused) this.#held.push(payload);
        else sink.message(payload);
      },
    });
  }

  override pause(): void {
    this.#isPaused = true;
  }

  override resume(): void {
    this.#isPaused = false;
    for (const payload of this.#held.splice(0)) this.#sink?.message(payload);
  }

  override close(reason?: CloseReason): void {
    for (const payload of this.#held.splice(0)) this.#sink?.message(payload);
    this.inner.close(reason);
  }
}

class NoEarlyClose extends MutantLink {
  #isOpen = false;

  override open(sink: Sink): void {
    super.open(sink);
    this.#isOpen = true;
  }

  override close(reason?: CloseReason): void {
    if (this.#isOpen) this.inner.close(reason);
  }
}

class AlwaysDiscards extends MutantLink {
  override close(reason: CloseReason = {}): void {
    this.inner.close({ ...reason, discard: true });
  }
}

class NeverDiscards extends MutantLink {
  override close({ discard: _, ...reason }: CloseReason = {}): void {
    this.inner.close(reason);
  }
}

class ClosesInside extends MutantLink {
  #sink: Sink | undefined = undefined;
  #isClosed = false;

  override sink(sink: Sink): Sink {
    this.#sink = sink;
    return between(sink, { closed: (info) => this.#tell(info) });
  }

  override close(reason?: CloseReason): void {
    this.inner.close(reason);
    this.#tell({ by: "local", clean: true, reason: reason?.reason ?? "", retryable: false, bytesLost: 0 });
  }

  #tell(info: CloseInfo): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sink?.closed(info);
  }
}

class CountsNothing extends MutantLink {
  override get bufferedBytes(): number {
    return 0;
  }
}

class NeverRefuses extends MutantLink {
  #more = 0;

  override get bufferedBytes(): number {
    return this.inner.bufferedBytes + this.#more;
  }

  override send(payload: Payload | Prepared): SendResult {
    const result = this.inner.send(payload);
    if (result !== "refused" || this.inner.refusal !== "overflow") return result;
    this.#more += (payload as Uint8Array).byteLength;
    return "wait";
  }
}

class TakesTooLarge extends MutantLink {
  override send(payload: Payload | Prepared): SendResult {
    const result = this.inner.send(payload);
    return result === "refused" && this.inner.refusal === "too-large" ? "sent" : result;
  }
}

class NeverWaits extends MutantLink {
  override send(payload: Payload | Prepared): SendResult {
    const result = this.inner.send(payload);
    return result === "wait" ? "sent" : result;
  }
}

class NamesNoCause extends MutantLink {
  override get refusal(): Refusal | undefined {
    return undefined;
  }
}

class OpensTwice extends MutantLink {
  #isOpen = false;

  override open(sink: Sink): void {
    if (this.#isOpen) return;
    super.open(sink);
    this.#isOpen = true;
  }
}

class TakesAnySink extends MutantLink {
  override open(sink: Sink): void {
    if (typeof sink?.message === "function") super.open(sink);
  }
}

class TakesAnything extends MutantLink {
  override send(payload: Payload | Prepared): SendResult {
    try {
      return this.inner.send(payload);
    } catch {
      return "refused";
    }
  }
}

class ThrowsOnLink extends MutantLink {
  override sink(sink: Sink): Sink {
    const guarded =
      <Given extends unknown[]>(call: (...given: Given) => void) =>
      (...given: Given): void => {
        try {
          call(...given);
        } catch (thrown) {
          queueMicrotask(() => {
            throw thrown;
          });
        }
      };
    return {
      message: guarded((payload: Payload) => sink.message(payload)),
      drain: guarded(() => sink.drain?.()),
      closed: guarded((info: CloseInfo) => sink.closed(info)),
    };
  }
}

class EndsEverything extends MutantLink {
  override end(): void {
    this.inner.close();
  }
}

class NeverEnds extends MutantLink {
  override end(): void {}
}

class PreparesLazily extends MutantLink {
  override get framing(): Framing | undefined {
    return lazyFraming;
  }

  override send(payload: Payload | Prepared): SendResult {
    if (typeof payload === "string" || payload instanceof Uint8Array) return this.inner.send(payload);
    const { framing } = this.inner;
    if (framing === undefined) throw new Error("memory has a framing");
    return this.inner.send(framing.prepare((payload as LazyPrepared).payloads));
  }
}

interface LazyPrepared extends Prepared {
  readonly payloads: readonly Payload[];
}

const lazyFraming: Framing = {
  name: "lazy",
  prepare(payloads): LazyPrepared {
    const lengths = payloads.map((payload) => payload.length);
    return {
      framing: lazyFraming,
      payloads,
      messages: payloads.length,
      byteLength: lengths.reduce((sum, length) => sum + length + 5, 0),
      largestMessageBytes: Math.max(...lengths),
    };
  },
};

class PreparedOvertakes extends MutantLink {
  override send(payload: Payload | Prepared): SendResult {
    if (typeof payload !== "string") return this.inner.send(payload);
    queueMicrotask(() => this.inner.send(payload));
    return "sent";
  }
}

class MiscountsPrepared extends MutantLink {
  override send(payload: Payload | Prepared): SendResult {
    const result = this.inner.send(payload);
    if (typeof payload !== "string" && !(payload instanceof Uint8Array)) this.inner.send("!");
    return result;
  }
}

function link(Mutated: new (inner: Link) => Link): Fault {
  return { link: (inner) => new Mutated(inner) };
}

/** A link that does something else with what it delivers. */
function sink(overrides: (sink: Sink, link: Link) => Partial<Sink>): Fault {
  return {
    link: (inner) =>
      new (class extends MutantLink {
        override sink(real: Sink): Sink {
          return between(real, overrides(real, this.inner));
        }
      })(inner),
  };
}

function closed(change: (info: CloseInfo) => CloseInfo): Fault {
  return sink((real) => ({ closed: (info) => real.closed(change(info)) }));
}

function withLimits(limits: Partial<LinkLimits>): Fault {
  return {
    dialContext: (context) => ({ ...context, limits: { ...context.limits, ...limits } }),
    listenContext: (context) => ({ ...context, limits: { ...context.limits, ...limits } }),
  };
}

function pings(change: (ping: MutantLink["ping"]) => MutantLink["ping"]): Fault {
  return {
    link: (inner) =>
      new (class extends MutantLink {
        override ping(done: (roundTripMs: number | undefined) => void): void {
          change((given) => this.inner.ping(given))(done);
        }
      })(inner),
  };
}

function headersOf(inner: Link, headers: ReadonlyMap<string, string>): Link {
  return new (class extends MutantLink {
    override get peer(): Link["peer"] {
      return { ...this.inner.peer, headers };
    }
  })(inner);
}

// biome-ignore format: a table
export const linkMutants: readonly Mutant[] = [
  { does: "drops a message in a thousand", breaks: LAW.order, says: /in vain for .*messages/, fault: link(Drops) },
  { does: "delivers a message twice", breaks: LAW.sizes, says: /number of messages/, fault: sink((real) => ({ message: (payload) => { real.message(payload); if (payload.length === 1) real.message(payload); } })) },
  { does: "swaps two messages", breaks: LAW.order, says: /message 3999/, fault: link(Swaps) },
  { does: "changes a byte", breaks: LAW.sizes, says: /differs from what was sent/, fault: sink((real) => ({ message: (payload) => { if (typeof payload !== "string" && payload.length === 256) payload[200] = 0; real.message(payload); } })) },
  { does: "cuts long messages", breaks: LAW.sizes, says: /differs from what was sent/, fault: sink((real) => ({ message: (payload) => real.message(payload.slice(0, 65_535)) })) },
  { does: "mixes up text and bytes", breaks: LAW.text, says: /kinds of payload/, fault: sink((real) => ({ message: (payload) => real.message(typeof payload === "string" ? new TextEncoder().encode(payload) : payload) })) },
  { does: "keeps the sender's memory", breaks: LAW.reuse, says: /differs from what was sent/, fault: link(KeepsMemory) },
  { does: "keeps the receiver's memory", breaks: LAW.echo, says: /differs from what was sent/, fault: link(KeepsMemory) },
  { does: "lends the same memory to two links", breaks: LAW.scribble, says: /differs from what was sent/, fault: sharedMemory() },
  { does: "reads before it is opened", breaks: LAW.late, says: /in vain for .*2 messages/, fault: link(ReadsEarly) },
  { does: "delivers inside open", breaks: LAW.late, says: /before open\(\) had returned/, fault: { link: (inner) => new (class extends MutantLink { override open(real: Sink): void { super.open(real); real.drain?.(); } })(inner) } },
  { does: "changes a datagram", breaks: LAW.datagrams, says: /nobody sent/, fault: { kind: "datagram", ...sink((real) => ({ message: (payload) => real.message(payload.slice(1)) })) } },
  { does: "promises other traits than its protocol", breaks: LAW.claims, says: /traits/, fault: { traits: (traits: Traits) => ({ ...traits, ping: "probe" }) } },
  { does: "closes twice", breaks: LAW.dialler, says: /closed came twice/, fault: sink((real) => ({ closed: (info) => { real.closed(info); queueMicrotask(() => real.closed(info)); } })) },
  { does: "never closes", breaks: LAW.acceptor, says: /in vain for .*closed/, fault: sink(() => ({ closed() {} })) },
  { does: "says the wrong side closed", breaks: LAW.dialler, says: /CloseInfo of a peaceful close/, fault: closed((info) => ({ ...info, by: info.by === "local" ? "remote" : "local" })) },
  { does: "says a network closed", breaks: LAW.both, says: /by/, fault: closed((info) => ({ ...info, by: "network" })) },
  { does: "says a peaceful close was not clean", breaks: LAW.acceptor, says: /CloseInfo of a peaceful close/, fault: closed((info) => ({ ...info, clean: false })) },
  { does: "makes up a close code", breaks: LAW.dialler, says: /code is 1000/, fault: closed((info) => ({ ...info, code: 1_000 })) },
  { does: "loses the close code", breaks: LAW.dialler, says: /code that reached the other side/, fault: closed(({ code: _, ...info }) => info) },
  { does: "makes up a reason", breaks: LAW.acceptor, says: /CloseInfo of a peaceful close/, fault: closed((info) => ({ ...info, reason: "normal" })) },
  { does: "tells closed inside close", breaks: LAW.dialler, says: /closed came inside close\(\)/, fault: link(ClosesInside) },
  { does: "delivers after closed", breaks: LAW.dialler, says: /message came after closed/, fault: sink((real) => ({ closed: (info) => { real.closed(info); real.message("late"); } })) },
  { does: "drops what was sent before a close", breaks: LAW.before, says: /bytesLost|messages/, fault: link(AlwaysDiscards) },
  { does: "accepts what is sent after close", breaks: LAW.sendAfter, says: /send after close/, fault: link(AcceptsAfterClose) },
  { does: "does not say why a send was refused", breaks: LAW.sendAfter, says: /why send after close was refused/, fault: link(NamesNoCause) },
  { does: "throws at a second close", breaks: LAW.everywhere, says: /closed already/, fault: link(NoSecondClose) },
  { does: "forgets a close that came before open", breaks: LAW.unopened, says: /in vain for .*closed/, fault: link(NoEarlyClose) },
  { does: "waits for the peer although it should discard", breaks: LAW.discard, says: /in vain for .*closed/, fault: link(NeverDiscards) },
  { does: "does not count what it discarded", breaks: LAW.discard, says: /bytesLost is 0/, fault: closed((info) => ({ ...info, bytesLost: 0 })) },
  { does: "waits for the peer for ever", breaks: LAW.bounded, says: /in vain for .*closed/, fault: withLimits({ closeTimeoutMs: 1_000_000 }) },
  { does: "ignores a second close that discards", breaks: LAW.cutShort, says: /in vain for .*closed/, fault: link(FirstCloseWins) },
  { does: "reads no end while it is paused", breaks: LAW.closePaused, says: /in vain for .*closed/, fault: link(ClosesWhenResumed) },
  { does: "delivers after a close what a pause held back", breaks: LAW.closePaused, says: /came after pause/, fault: link(ResumesToClose) },
  { does: "ignores its own message limit", breaks: LAW.tooLarge, says: /traits.maxMessageBytes|send over the limit/, fault: withLimits({ maxMessageBytes: 10_000_000 }) },
  { does: "refuses what is too large without a cause", breaks: LAW.tooLarge, says: /why it was refused/, fault: link(NamesNoCause) },
  { does: "delivers what is over the limit", breaks: LAW.arrival, says: /in vain for .*closed/, fault: withLimits({ maxMessageBytes: 10_000_000 }) },
  { does: "does not name the limit", breaks: LAW.arrival, says: /too-large|its error/, fault: closed(({ error: _, ...info }) => info) },
  { does: "ignores pause", breaks: LAW.pause, says: /paused|after pause/, fault: link(IgnoresPause) },
  { does: "ignores a pause right after open", breaks: LAW.pausedAtOnce, says: /after pause/, fault: link(IgnoresPause) },
  { does: "loses what comes while paused", breaks: LAW.flow, says: /in vain for/, fault: link(LosesWhatIsPaused) },
  { does: "ignores the buffer's limit", breaks: LAW.flow, says: /past maxBufferedBytes/, fault: link(NeverRefuses) },
  { does: "counts nothing as buffered", breaks: LAW.flow, says: /"wait" at 0 bytes/, fault: link(CountsNothing) },
  { does: "never says wait", breaks: LAW.flow, says: /"wait" comes before/, fault: link(NeverWaits) },
  { does: "never drains", breaks: LAW.drain, says: /in vain for drain/, fault: sink(() => ({ drain() {} })) },
  { does: "never drains after a pause", breaks: LAW.flow, says: /in vain for drain/, fault: sink(() => ({ drain() {} })) },
  { does: "drains without a wait", breaks: LAW.drain, says: /drain without a wait|drains after one wait/, fault: sink((real) => ({ message: (payload) => { real.message(payload); }, drain: () => { real.drain?.(); real.drain?.(); } })) },
  { does: "stays paused when resumed inside drain", breaks: LAW.rest, says: /in vain for/, fault: link(ResumesOutsideOnly) },
  { does: "delivers inside a delivery", breaks: LAW.nested, says: /message came inside message/, fault: link(ResumesInside) },
  { does: "has no limit of links", breaks: LAW.maxLinks, says: /maxLinks 2 was not refused/, fault: withLimits({ maxLinks: 1_000 }) },
  { does: "turns peers away in silence", breaks: LAW.maxLinks, says: /turned away without/, fault: { listenContext: (context) => ({ ...context, turnedAway() {} }) } },
  { does: "dials although its signal has fired", breaks: LAW.abortedBefore, says: /was fulfilled/, fault: { dialContext: (context) => ({ ...context, signal: new AbortController().signal }) } },
  { does: "rejects with a reason of its own", breaks: LAW.abortedBefore, says: /what the dial rejects with/, fault: { dial: async (real) => real().catch(() => { throw new Error("aborted"); }) } },
  { does: "ignores an abort in the middle", breaks: LAW.abortedDuring, says: /in vain for the aborted dial/, fault: { dial: (real, { signal }) => real().catch((thrown) => signal.aborted ? new Promise(() => {}) : Promise.reject(thrown)) } },
  { does: "cuts the link when a signal fires later", breaks: LAW.abortedAfter, says: /send was refused/, fault: { dial: async (real, { signal }) => { const dialled = await real(); signal.addEventListener("abort", () => dialled.close({ discard: true })); return dialled; } } },
  { does: "rejects with no PolywireError", breaks: LAW.nobody, says: /threw Error: nope/, fault: { dial: (real) => real().catch(() => { throw new Error("nope"); }) } },
  { does: "cuts links when its listener closes", breaks: LAW.listenerClose, says: /refused|messages/, fault: { listener: (real, accepted) => ({ endpoint: real.endpoint, close: () => { for (const each of accepted) each.close({ discard: true }); return real.close(); } }) } },
  { does: "keeps the address of a closed listener", breaks: LAW.nobody, says: /was fulfilled/, fault: { listener: (real) => ({ endpoint: real.endpoint, close: async () => {} }) } },
  { does: "finishes handshakes after the listener has closed", breaks: LAW.listenerCloses, says: /was fulfilled/, fault: { listener: (real) => ({ endpoint: real.endpoint, close: async () => {} }) } },
  { does: "mixes links up", breaks: LAW.hundred, says: /different messages|in vain|differs/, fault: mixedLinks() },
  { does: "asks nobody for admission", breaks: LAW.refused, says: /was fulfilled/, fault: { listenContext: (context) => ({ ...context, admit: () => ACCEPTED }) } },
  { does: "accepts whom admission refuses", breaks: LAW.unwanted, says: /refused dial was not refused/, fault: { traits: (traits) => ({ ...traits, handshake: false }), listenContext: (context) => ({ ...context, admit: () => ACCEPTED }) } },
  { does: "trusts every certificate", breaks: LAW.untrusted, says: /was fulfilled/, fault: { untrusting: { subprotocols: [] } } },
  { does: "keeps half a link for nobody", breaks: LAW.halfUnheard, says: /in vain/, fault: sink((real) => ({ ended: () => { real.ended?.(); } })) },
  { does: "does not tell the status", breaks: LAW.refused, says: /threw Error: refused/, fault: { dial: (real) => real().catch(() => { throw new Error("refused"); }) } },
  { does: "asks for admission twice", breaks: LAW.judged, says: /verdicts asked for/, fault: { listenContext: (context) => ({ ...context, admit: (peer) => { void context.admit(peer); return context.admit(peer); } }) } },
  { does: "forgets the subprotocol", breaks: LAW.subprotocol, says: /peer.subprotocol/, fault: { link: (inner) => new (class extends MutantLink { override get peer(): Link["peer"] { const { subprotocol: _, ...rest } = this.inner.peer; return rest; } })(inner) } },
  { does: "keeps every header", breaks: LAW.headers, says: /not to be kept/, fault: { link: (inner) => headersOf(inner, new Map([["x-conformance-dropped", "no"], ["x-conformance-kept", "yes"]])) } },
  { does: "keeps no header", breaks: LAW.headers, says: /was to be kept/, fault: { link: (inner) => headersOf(inner, new Map()) } },
  { does: "lets a sink's exception reach the event loop", breaks: LAW.throws, says: /nobody can catch it|in vain/, fault: link(ThrowsOnLink) },
  { does: "throws where nobody can catch it", breaks: LAW.throwsElsewhere, says: /nobody can catch it|in vain/, fault: sink((real) => ({ closed: (info) => { queueMicrotask(() => { throw new Error("stray"); }); real.closed(info); } })) },
  { does: "swallows a sink's exception", breaks: LAW.throws, says: /in vain for .*closed/, fault: sink((real) => ({ message: (payload) => { try { real.message(payload); } catch { /* swallowed */ } } })) },
  { does: "lets what an async sink rejects with go", breaks: LAW.rejects, says: /in vain for .*closed/, fault: sink((real) => ({ message: (payload) => { real.message(payload); } })) },
  { does: "may be opened twice", breaks: LAW.openTwice, says: /second open did not throw/, fault: link(OpensTwice) },
  { does: "takes any sink", breaks: LAW.openTwice, says: /empty object did not throw/, fault: link(TakesAnySink) },
  { does: "takes any payload", breaks: LAW.payload, says: /did not throw/, fault: link(TakesAnything) },
  { does: "closes when it should only end", breaks: LAW.half, says: /in vain for .*ended|closes so far/, fault: link(EndsEverything) },
  { does: "never ends", breaks: LAW.halfAnswer, says: /in vain/, fault: link(NeverEnds) },
  { does: "answers a ping before it returns", breaks: LAW.ping, says: /before ping has returned/, fault: pings(() => (done) => done(1)) },
  { does: "answers a ping twice", breaks: LAW.ping, says: /answers to three pings|before ping/, fault: pings((ping) => (done) => { ping(done); ping(done); }) },
  { does: "never answers a ping", breaks: LAW.ping, says: /in vain for/, fault: pings(() => () => {}) },
  { does: "forgets pings when it closes", breaks: LAW.pingClosed, says: /in vain for/, fault: pings((ping) => (done) => ping((roundTripMs) => { if (roundTripMs !== undefined) done(roundTripMs); })) },
  { does: "gives each link a connection of its own, and says that they share one", breaks: LAW.sharing, says: /connections of 3 links/, fault: multiplexed(ownPorts()) },
  { does: "cuts every link of a connection off with one", breaks: LAW.sharing, says: /in vain for|send/, fault: multiplexed(endsTogether()) },
  { does: "lets prepared bytes overtake", breaks: LAW.prepared, says: /differs from what was sent/, fault: link(PreparedOvertakes) },
  { does: "frames prepared payloads late", breaks: LAW.preparedCopy, says: /differs from what was sent/, fault: link(PreparesLazily) },
  { does: "miscounts prepared bytes", breaks: LAW.preparedSays, says: /bufferedBytes for it/, fault: link(MiscountsPrepared) },
  { does: "takes datagrams over the limit", breaks: LAW.datagramTooLarge, says: /send over the limit/, fault: { kind: "datagram", ...link(TakesTooLarge) } },
  { does: "delivers a datagram twice", breaks: LAW.datagramOrder, says: /datagram \d+ came after/, fault: { kind: "datagram", ...sink((real) => ({ message: (payload) => { real.message(payload.slice()); real.message(payload); } })) } },
  { does: "gives datagrams to the wrong peer", breaks: LAW.datagramPeers, says: /whose datagrams|in vain/, fault: { kind: "datagram", ...mixedLinks() } },
  { does: "answers a peer that it refused", breaks: LAW.datagramRefused, says: /a refused peer heard/, fault: plain({ dial: (real) => real().catch(() => answering()) }) },
  { does: "asks for a verdict on every datagram", breaks: LAW.datagramRefused, says: /verdicts asked for/, fault: plain({ dial: (real) => real().catch(() => real()).catch(() => answering()) }) },
  { does: "ends the other side although it cannot tell it", breaks: LAW.closeUntold, says: /closes/, fault: plain({}) },
  { does: "leaves a timer behind", breaks: LAW.remains, says: /in vain for .*timers to be cancelled/, fault: { dialContext: (context) => { context.clock.setTimer(() => {}, 100_000); return context; } } },
  { does: "leaves a listener on the signal behind", breaks: LAW.remains, says: /in vain for .*abort listeners to go/, fault: { dialContext: (context) => { context.signal.addEventListener("abort", () => {}); return context; } } },
  { does: "forgets a timer of every hundredth link", breaks: LAW.thousand, says: /in vain for .*timers to be cancelled/, fault: leavesTimers(100) },
  { does: "sends line breaks in lines", breaks: LAW.noLine, says: /did not throw/, fault: { traits: (traits) => ({ ...traits, content: "line" }) } },
  { does: "leaves a handle behind", breaks: LAW.remains, says: /in vain for resources to be given back/, fault: { dial: async (real) => { setTimeout(() => {}, 3_000); return real(); } } },
];

/** Every so many dials one timer stays. */
function leavesTimers(every: number): Fault {
  let dials = 0;
  return {
    dialContext(context) {
      if (++dials % every === 0) context.clock.setTimer(() => {}, 100_000);
      return context;
    },
  };
}

/** Links that claim to share a connection. */
function multiplexed(fault: Fault): Fault {
  return { ...fault, traits: (traits) => ({ ...traits, multiplexed: true }) };
}

function ownPorts(): Fault {
  let port = 10_000;
  return {
    link: (inner) =>
      new (class extends MutantLink {
        readonly #port = port++;
        override get peer(): Link["peer"] {
          return { ...this.inner.peer, port: this.#port };
        }
      })(inner),
  };
}

function endsTogether(): Fault {
  const all: Link[] = [];
  return {
    link(inner) {
      all.push(inner);
      return new (class extends MutantLink {
        override close(reason?: CloseReason): void {
          for (const each of all) each.close(reason);
        }
      })(inner);
    },
  };
}

/** Datagrams of a wire that has no handshake. */
function plain(fault: Fault): Fault {
  return { ...fault, kind: "datagram", traits: (traits) => ({ ...traits, handshake: false }) };
}

/** A link whose peer says something as soon as it is opened. */
function answering(): Link {
  const refused = (): "refused" => "refused";
  let sink: Sink | undefined;
  return {
    traits: {
      kind: "datagram",
      ordered: true,
      reliable: false,
      halfClose: false,
      ping: "none",
      text: true,
      closeCodes: false,
      handshake: false,
      content: "any",
      maxMessageBytes: 1_000,
    },
    peer: { secure: false },
    refusal: undefined,
    bufferedBytes: 0,
    open(given) {
      sink = given;
      queueMicrotask(() => given.message("go away"));
    },
    send: refused,
    pause() {},
    resume() {},
    close: () =>
      queueMicrotask(() => sink?.closed({ by: "local", clean: true, reason: "", retryable: false, bytesLost: 0 })),
  };
}

/** One buffer for what several links receive. */
function sharedMemory(): Fault {
  const seen = new Map<string, Uint8Array>();
  return sink((real) => ({
    message(payload) {
      if (typeof payload === "string") return real.message(payload);
      const key = String(payload.byteLength);
      const shared = seen.get(key) ?? payload.slice();
      seen.set(key, shared);
      real.message(shared);
    },
  }));
}

/** Every link delivers to the sink that was opened last. */
function mixedLinks(): Fault {
  let last: Sink | undefined;
  return sink((real) => {
    last = real;
    return { message: (payload) => last?.message(payload) };
  });
}
