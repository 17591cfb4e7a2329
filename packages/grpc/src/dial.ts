import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { LookupFunction } from "node:net";
import { type DialContext, type Endpoint, PolywireError } from "@polywire/core";
import { foreignAnswer, statusOf } from "./answer.ts";
import { CONTENT_TYPE } from "./call.ts";
import type { ClientConnection } from "./client-connection.ts";
import { RESET } from "./closing.ts";
import { ACCEPTED_ENCODINGS } from "./inflate.ts";
import { GrpcLink } from "./link.ts";
import { addMetadata, headerOf, type OutgoingMetadata } from "./metadata.ts";
import type { CompleteDialOptions } from "./options.ts";
import { CallPeer } from "./peer.ts";
import type { SessionPool } from "./session-pool.ts";
import { GRPC_STATUS, httpOfCode, isRetryable, nameOfCode, printable, STATUS_HEADER } from "./status.ts";
import { traitsFor } from "./traits.ts";

const USER_AGENT = "polywire-grpc";

export interface DialParts {
  readonly context: DialContext;
  readonly options: CompleteDialOptions;
  readonly patience: Map<string, number>;
  readonly lookup: LookupFunction;
}

export interface LinkDialParts extends DialParts {
  readonly sessions: SessionPool;
}

/** Fulfilled with an established link; see {@link DialContext.signal} for how it ends early. */
export async function dial(endpoint: Endpoint, parts: LinkDialParts): Promise<GrpcLink> {
  const { context, options, sessions } = parts;
  const headers = callHeaders(pathOf(endpoint), addMetadata({ ...options.headers }, context.metadata));
  for (let isRetry = false; ; isRetry = true) {
    const { connection, stream, wasUsed } = await sessions.request(endpoint, headers, parts);
    const make = (head: IncomingHttpHeaders): GrpcLink => makeLink(stream, { endpoint, connection, parts, head });
    try {
      if (options.awaitServer) return await established(stream, { endpoint, context, make });
      context.mark("handshake");
      return make({});
    } catch (thrown) {
      if (context.signal.aborted) {
        // It may be dead without anybody knowing: the next dial does not try it again.
        if (PolywireError.from(thrown).code === "timed-out") connection.retire();
        throw thrown;
      }
      // The server has no room for it on this connection, or had ended that already: it has not begun with the call.
      const hasNoRoom = stream.rstCode === RESET.refusedStream || stream.rstCode === RESET.enhanceYourCalm;
      if (hasNoRoom && wasUsed) connection.retire();
      const isLost = PolywireError.from(thrown).code === "connection-reset" && !connection.isUsable;
      if (isRetry || !wasUsed || !isLost) throw thrown;
    }
  }
}

/** The head of every call. */
export function callHeaders(path: string, metadata: OutgoingMetadata): OutgoingHttpHeaders {
  return {
    ":method": "POST",
    ":path": path,
    te: "trailers",
    "content-type": CONTENT_TYPE,
    "grpc-accept-encoding": ACCEPTED_ENCODINGS,
    "user-agent": USER_AGENT,
    ...metadata,
  };
}

function pathOf({ path, query }: Endpoint): string {
  return query === "" ? path : `${path}?${query}`;
}

interface Establishing {
  readonly endpoint: Endpoint;
  readonly context: DialContext;
  readonly make: (head: IncomingHttpHeaders) => GrpcLink;
}

function established(stream: ClientHttp2Stream, { endpoint, context, make }: Establishing): Promise<GrpcLink> {
  const { signal } = context;
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener("abort", abort);
      stream.off("response", answered);
      stream.off("close", closed);
    };
    const fail = (error: unknown): void => {
      settle();
      stream.close(RESET.cancel);
      // What is not read keeps a stream, and with it the connection, from its end.
      stream.resume();
      reject(error);
    };
    const abort = (): void => fail(signal.reason);
    const closed = (): void => {
      fail(
        new PolywireError("connection-reset", `connect to "${endpoint}": the call was reset before it was accepted`),
      );
    };
    const answered = (head: IncomingHttpHeaders): void => {
      const refusal = refusalIn(head, `connect to "${endpoint}"`);
      if (refusal !== undefined) return fail(refusal);
      settle();
      context.mark("handshake");
      const link = make(head);
      resolve(link);
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    stream.on("response", answered);
    stream.on("close", closed);
  });
}

function makeLink(
  stream: ClientHttp2Stream,
  {
    endpoint,
    connection,
    parts,
    head,
  }: {
    endpoint: Endpoint;
    connection: ClientConnection;
    parts: DialParts;
    head: IncomingHttpHeaders;
  },
): GrpcLink {
  const { clock, limits, logger, turn } = parts.context;
  const traits = traitsFor(limits, { handshake: parts.options.awaitServer });
  const { path, query } = endpoint;
  const peer = new CallPeer(connection.peer, { path, query, headers: undefined });
  const place = { traits, limits, clock, logger, turn, isServer: false };
  const encoding = headerOf(head, "grpc-encoding");
  const link = new GrpcLink(stream, { peer, place, connection, encoding, gone: ignore });
  link.handOver();
  return link;
}

/** What is wrong with the head of an answer: no gRPC, or a call that ended at once. */
function refusalIn(head: IncomingHttpHeaders, context: string): PolywireError | undefined {
  const foreign = foreignAnswer(head, context);
  if (foreign !== undefined) return foreign;
  const status = statusOf(head);
  if (status === undefined) return undefined;
  const { code, message } = status;
  const http = Number(headerOf(head, STATUS_HEADER) ?? httpOfCode(code));
  const said = code === GRPC_STATUS.OK ? "the call ended at once" : printable(message);
  return new PolywireError(
    "handshake-failed",
    `${context}: the server answered ${http} (${nameOfCode(code)} ${code}): ${said}: check the path and the credentials`,
    { retryable: isRetryable(code) },
  );
}

/** The connection counts its calls itself. */
function ignore(): void {}
