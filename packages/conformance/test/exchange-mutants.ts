import type { Body, BodySource, Exchange, Response } from "@polywire/core";
import type { Mutant } from "./link-mutants.ts";
import { exchangeWith, type Fault, MutantLink } from "./mutant.ts";

const LAW = {
  arrives: "a request arrives as it was made, and so does its response",
  bodies: "bodies of every size arrive intact, whole or in chunks, both ways",
  reuse: "the sender of a body may reuse its memory as soon as request or respond returns",
  limit: "a body over the reader's limit rejects as too large, and the request is answered all the same",
  readOnce: "a body is read once",
  answerOnce: "an exchange is answered once, with a status",
  aborted: "a request that is aborted rejects, and the serving side hears of it",
  timedOut: "a request that is not answered in time rejects as timed out",
  givenUp: "a response that is given up half read tells the serving side",
  slow: "reading a body slowly slows its sender down",
  hundred: "100 requests at once get their own responses",
  refused: "a peer that admission refuses is answered with the status, and not served",
  nobody: "where nobody serves, a request is refused",
  closed: "a closed exchanger lets requests under way end and takes no more",
  remains: "no handle, timer or listener is left of requests, answered or not",
  stream: "what a response's link sends is the body, in order, and its close is the end",
  streamGone: "a response's link is closed when its reader has gone",
  streamSlow: "a response's link waits for a slow reader, and drains when it reads",
  inStep: "a response is read while its request is still being sent",
  eachAlone: "each body of an exchange waits for its own reader alone",
  streamCut: "a response's link that is cut off breaks its body off",
} as const;

/** A response that is changed on its way. */
function response(change: (response: Response) => Response | Promise<Response>): Fault {
  return { request: async (real, request, options) => change(await real(request, options)) };
}

function exchange(change: (exchange: Exchange) => Partial<Exchange>): Fault {
  return { exchange: (inner) => exchangeWith(inner, change(inner)) };
}

/** A body that is changed as it is read. */
function readAs(body: Body, read: (maxBytes?: number) => Promise<Uint8Array>): Body {
  return { bytes: read, [Symbol.asyncIterator]: () => body[Symbol.asyncIterator]() };
}

/** A body that is read into memory as fast as it comes, whether or not anybody wants it. */
function ahead(body: Body): Body {
  const chunks: Uint8Array[] = [];
  let wake = (): void => {};
  const reading = (async () => {
    for await (const chunk of body) {
      chunks.push(chunk);
      wake();
      await new Promise((resolve) => void setImmediate(resolve));
    }
  })();
  reading.catch(() => {});
  return {
    bytes: (maxBytes) => body.bytes(maxBytes),
    async *[Symbol.asyncIterator]() {
      for (;;) {
        yield* chunks.splice(0);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

/** A body that ends where it breaks off. */
function unbroken(body: Body): Body {
  return {
    bytes: (maxBytes) => body.bytes(maxBytes),
    async *[Symbol.asyncIterator]() {
      try {
        yield* body;
      } catch {
        // Ends as if that were all.
      }
    },
  };
}

function streamed(Mutated: new (inner: MutantLink["inner"]) => MutantLink): Fault {
  return exchange((inner) => ({ stream: (head) => new Mutated(inner.stream(head) as MutantLink["inner"]) }));
}

/** Reads the body of a request to its end before it sends anything. */
async function gathered(body: BodySource): Promise<BodySource> {
  if (!isChunks(body)) return body;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(new Uint8Array(chunk));
  return Buffer.concat(chunks);
}

/** An exchange of which the response goes on only while the request is being read. */
function inTurns(inner: Exchange): Partial<Exchange> {
  let wasRead = (): void => {};
  async function* read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of inner.body) {
      wasRead();
      yield chunk;
    }
  }
  async function* waiting(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      await new Promise<void>((resolve) => (wasRead = resolve));
      yield chunk;
    }
  }
  return {
    body: { bytes: (maxBytes) => inner.body.bytes(maxBytes), [Symbol.asyncIterator]: read },
    respond: (head, body) => inner.respond(head, isChunks(body) ? waiting(body) : body),
  };
}

function isChunks(body: BodySource): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && Symbol.asyncIterator in body;
}

async function drawn(body: Body): Promise<Body> {
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    byteLength += chunk.byteLength;
    if (byteLength > 70_000_000) break;
  }
  const whole = Buffer.concat(chunks);
  return readAs(body, () => Promise.resolve(whole));
}

// biome-ignore format: a table
export const exchangeMutants: readonly Mutant[] = [
  { does: "loses the status", breaks: LAW.arrives, says: /status/, fault: response((given) => ({ ...given, status: 200 })) },
  { does: "loses the query", breaks: LAW.arrives, says: /query/, fault: exchange(() => ({ query: "" })) },
  { does: "loses headers", breaks: LAW.arrives, says: /header of the request/, fault: exchange(() => ({ headers: new Map() })) },
  { does: "cuts bodies", breaks: LAW.bodies, says: /bytes came back/, fault: response((given) => ({ ...given, body: readAs(given.body, async () => (await given.body.bytes()).subarray(0, 60_000)) })) },
  { does: "keeps the sender's memory", breaks: LAW.reuse, says: /body that came back/, fault: { request: async (real, request, options) => { await Promise.resolve(); return real(request, options); } } },
  { does: "reads past the limit", breaks: LAW.limit, says: /was fulfilled/, fault: response((given) => ({ ...given, body: readAs(given.body, () => given.body.bytes()) })) },
  { does: "gives an empty body the second time", breaks: LAW.readOnce, says: /reading a body again|Missing expected/, fault: response((given) => ({ ...given, body: readAs(given.body, () => given.body.bytes().catch(() => new Uint8Array())) })) },
  { does: "swallows a second answer", breaks: LAW.answerOnce, says: /wrong answers/, fault: exchange((inner) => ({ respond: (head, body) => { try { inner.respond(head, body); } catch { /* swallowed */ } } })) },
  { does: "does not tell the serving side", breaks: LAW.aborted, says: /in vain for the exchange's signal/, fault: exchange(() => ({ signal: new AbortController().signal })) },
  { does: "ignores the signal", breaks: LAW.aborted, says: /in vain/, fault: { request: (real, request, { signal: _, ...options }) => real(request, options) } },
  { does: "ignores the deadline", breaks: LAW.timedOut, says: /in vain/, fault: { request: (real, request, { timeoutMs: _, ...options }) => real(request, options) } },
  { does: "reads on for a reader that has gone", breaks: LAW.givenUp, says: /in vain for the exchange's signal/, fault: exchange(() => ({ signal: new AbortController().signal })) },
  { does: "reads ahead without end", breaks: LAW.slow, says: /bytes were made|in vain/, fault: response(async (given) => ({ ...given, body: await drawn(given.body) })) },
  { does: "mixes responses up", breaks: LAW.hundred, says: /bodies/, fault: exchange((inner) => ({ path: inner.path === "/7" ? "/8" : inner.path })) },
  { does: "asks nobody for admission", breaks: LAW.refused, says: /in vain/, fault: { listenContext: (context) => ({ ...context, admit: () => ({ accepted: true }) }) } },
  { does: "waits for a server that is not there", breaks: LAW.nobody, says: /in vain/, fault: { listener: (real) => ({ endpoint: real.endpoint, close: async () => {} }) } },
  { does: "takes requests after close", breaks: LAW.closed, says: /in vain/, fault: { closeExchanger: async () => {} } },
  { does: "leaves a timer behind", breaks: LAW.remains, says: /in vain for .*timers to be cancelled/, fault: { listenContext: (context) => ({ ...context, admit: (peer) => { context.clock.setTimer(() => {}, 100_000); return context.admit(peer); } }) } },
  { does: "never ends the body", breaks: LAW.stream, says: /in vain/, fault: streamed(class extends MutantLink { override close(): void {} }) },
  { does: "sends after close", breaks: LAW.stream, says: /send after close/, fault: streamed(class extends MutantLink { override send(payload: Parameters<MutantLink["send"]>[0]): ReturnType<MutantLink["send"]> { const result = this.inner.send(payload); return result === "refused" ? "sent" : result; } }) },
  { does: "does not notice that the reader has gone", breaks: LAW.streamGone, says: /in vain/, fault: streamed(class extends MutantLink { override open(): void { this.inner.open({ message() {}, closed() {} }); } }) },
  { does: "never drains", breaks: LAW.streamSlow, says: /in vain for drain/, fault: streamed(class extends MutantLink { override open(sink: Parameters<MutantLink["open"]>[0]): void { this.inner.open({ message: (payload) => sink.message(payload), closed: (info) => sink.closed(info) }); } }) },
  { does: "has the whole request before it sends any of it", breaks: LAW.inStep, says: /in vain for the (?:first|head)/, fault: { request: async (real, request, options) => real({ ...request, body: await gathered(request.body) }, options) } },
  { does: "has a response wait for the request's reader", breaks: LAW.eachAlone, says: /in vain for the response to flow/, fault: exchange(inTurns) },
  { does: "reads both bodies ahead without end", breaks: LAW.eachAlone, says: /were made for a reader that rests/, fault: { ...response(async (given) => ({ ...given, body: ahead(given.body) })), ...exchange((inner) => ({ body: ahead(inner.body) })) } },
  { does: "ends a body that was cut off", breaks: LAW.streamCut, says: /was fulfilled/, fault: response((given) => ({ ...given, body: unbroken(given.body) })) },
  { does: "waits for a reader although it should cut off", breaks: LAW.streamCut, says: /in vain for .*closed/, fault: streamed(class extends MutantLink { override close(): void { this.inner.close(); } }) },
];
