import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type AnyProtocol,
  type Body,
  CONTRACT_VERSION,
  Delivery,
  type Exchange,
  type FramedBytes,
  type Link,
  type ListenContext,
  Outbox,
  type Peer,
  PolywireError,
  type Traits,
  withPort,
} from "@polywire/core";

/*
 * Node's HTTP server as exchanges, for real clients in these tests: no limits, no TLS, nothing of what a protocol has to
 * promise but what is tried here.
 */

const TRAITS: Omit<Traits, "maxMessageBytes"> = {
  kind: "stream",
  ordered: true,
  reliable: true,
  halfClose: false,
  ping: "none",
  text: false,
  closeCodes: false,
  handshake: true,
  content: "any",
};

export function httpBridge(): AnyProtocol {
  return {
    name: "http",
    contractVersion: CONTRACT_VERSION,
    schemes: ["http"],
    traits: () => ({ ...TRAITS, kind: "request", maxMessageBytes: 1_048_576 }),
    exchanges: {
      open: () => Promise.reject(new PolywireError("unsupported", "the bridge only listens")),
      async listen(endpoint, serve, context) {
        const server = createServer((request, response) => void answer(request, response, { serve, context }));
        await new Promise<void>((resolve) => server.listen(endpoint.port, endpoint.host, resolve));
        return {
          endpoint: withPort(endpoint, (server.address() as AddressInfo).port),
          close: () =>
            new Promise((resolve) => {
              server.close(() => resolve());
              server.closeAllConnections();
            }),
        };
      },
    },
  };
}

interface Serving {
  readonly serve: (exchange: Exchange) => void;
  readonly context: ListenContext;
}

async function answer(request: IncomingMessage, response: ServerResponse, { serve, context }: Serving): Promise<void> {
  const { pathname, search } = new URL(request.url ?? "/", "http://bridge");
  const headers = new Map(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  const peer: Peer = { secure: false, path: pathname, query: search.slice(1), headers };
  const admission = await context.admit(peer);
  if (!admission.accepted) return void response.writeHead(admission.status).end(admission.reason);
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const body: Body = {
    async bytes(maxBytes = 1_048_576) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
      const whole = new Uint8Array(Buffer.concat(chunks));
      if (whole.length > maxBytes) throw new PolywireError("too-large", "the body is too large");
      return whole;
    },
    [Symbol.asyncIterator]: () => request[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>,
  };
  serve({
    method: request.method ?? "GET",
    path: pathname,
    query: search.slice(1),
    headers,
    peer,
    body,
    signal: gone.signal,
    respond(head, text) {
      response.writeHead(head.status, Object.fromEntries(head.headers ?? []));
      response.end(text as string | Uint8Array | undefined);
    },
    stream(head) {
      response.writeHead(head.status, Object.fromEntries(head.headers ?? [])).flushHeaders();
      return streamLink(response, peer, context);
    },
  });
}

const framing = {
  name: "bridge",
  prepare(payloads: readonly (string | Uint8Array)[]): FramedBytes {
    const bytes = Buffer.concat(payloads.map((payload) => Buffer.from(payload as string)));
    return { framing, bytes, messages: payloads.length, byteLength: bytes.length, largestMessageBytes: bytes.length };
  },
};

function streamLink(response: ServerResponse, peer: Peer, { turn, limits }: ListenContext): Link {
  const delivery = new Delivery({ sinkFailed: () => response.destroy() });
  const outbox = new Outbox(
    turn,
    {
      write: (buffers) => {
        response.write(Buffer.concat(buffers), () => outbox.written());
        return false;
      },
      drained: () => delivery.drain(),
    },
    limits,
  );
  let isClosing = false;
  response.on("close", () => {
    const bytesLost = outbox.discard();
    const by = isClosing ? "local" : "remote";
    delivery.closed({ by, clean: bytesLost === 0, reason: "", retryable: true, bytesLost });
  });
  return {
    traits: { ...TRAITS, maxMessageBytes: limits.maxMessageBytes },
    peer,
    framing,
    get refusal() {
      return outbox.refusal;
    },
    get bufferedBytes() {
      return outbox.bufferedBytes;
    },
    open(sink) {
      delivery.open(sink);
      turn.schedule({ flush: () => delivery.start() });
    },
    send(payload) {
      if (typeof payload === "object" && "framing" in payload) return outbox.send(payload as FramedBytes);
      return outbox.sendOwn(new Uint8Array(Buffer.from(payload as string)));
    },
    pause: () => delivery.pause(),
    resume: () => delivery.resume(),
    close({ discard = false } = {}) {
      isClosing = true;
      outbox.flush();
      outbox.close();
      if (discard) response.destroy();
      else response.end();
    },
  };
}
