import type { Http2Server } from "node:http2";
import {
  type Accepted,
  type Admission,
  type Endpoint,
  type ListenContext,
  type Listener,
  PolywireError,
  withPort,
} from "@polywire/core";
import { type ArrivedCall, CLOSING, CONTENT_TYPE, type Route, refuseCall } from "./call.ts";
import { IdleWatch } from "./idle-watch.ts";
import { ACCEPTED_ENCODINGS } from "./inflate.ts";
import { GrpcLink, type LinkPlace } from "./link.ts";
import { headerOf, readMetadata } from "./metadata.ts";
import type { CompleteListenOptions } from "./options.ts";
import { CallPeer } from "./peer.ts";
import type { GrpcServer } from "./server.ts";
import { codeOfHttp } from "./status.ts";
import { traitsFor } from "./traits.ts";

export interface ListenerParts {
  readonly server: GrpcServer;
  readonly options: CompleteListenOptions;
  readonly context: ListenContext;
}

/** A listener, with the server that it shares with all others at its address. */
export interface GrpcListener extends Listener {
  /** Node's own: its connections can be watched, and counted. */
  readonly server: Http2Server;
}

/** A path, or everything below one, whose calls are links. */
export class GrpcLinkListener implements GrpcListener, Route {
  readonly endpoint: Endpoint;
  readonly server: Http2Server;
  readonly carries = "links";
  readonly #accept: (link: GrpcLink) => void;
  readonly #server: GrpcServer;
  readonly #context: ListenContext;
  readonly #place: LinkPlace;
  readonly #path: string;
  readonly #idle: IdleWatch | undefined;
  /** Calls that are being judged. */
  readonly #handshakes = new Set<ArrivedCall>();
  #links = 0;
  #isClosed = false;

  constructor(endpoint: Endpoint, accept: (link: GrpcLink) => void, { server, options, context }: ListenerParts) {
    const { clock, limits, logger, turn } = context;
    this.endpoint = server.port === undefined ? endpoint : withPort(endpoint, server.port);
    this.#accept = accept;
    this.#server = server;
    this.server = server.server;
    this.#context = context;
    this.#idle = options.idleTimeoutMs === undefined ? undefined : new IdleWatch(clock, options.idleTimeoutMs);
    this.#place = { traits: traitsFor(limits), limits, clock, logger, turn, isServer: true };
    this.#path = canonicalPath(endpoint.path);
    server.add(this.#path, this, this.endpoint);
  }

  take(call: ArrivedCall): void {
    const { maxLinks, maxHandshakes } = this.#context.limits;
    const isFull = this.#links + this.#handshakes.size >= maxLinks;
    if (isFull || this.#handshakes.size >= maxHandshakes) {
      this.#context.turnedAway(isFull ? "full" : "busy");
      return refuseCall(call.stream, { code: codeOfHttp(503), message: "too many calls", status: 503 });
    }
    const { path, query } = call;
    const peer = new CallPeer(call.peer, { path, query, headers: readMetadata(call.headers) });
    this.#handshakes.add(call);
    call.stream.once("close", () => void this.#handshakes.delete(call));
    const verdict = this.#context.admit(peer);
    if (verdict instanceof Promise) void verdict.then((given) => this.#answer(call, peer, given));
    else this.#answer(call, peer, verdict);
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    for (const { stream } of this.#handshakes) refuseCall(stream, CLOSING);
    this.#handshakes.clear();
    this.#server.remove(this.#path);
    return Promise.resolve();
  }

  #answer(call: ArrivedCall, peer: CallPeer, verdict: Admission): void {
    // Its client has gone, or the listener has closed meanwhile.
    if (!this.#handshakes.delete(call) || call.stream.destroyed || call.stream.closed) return;
    try {
      if (verdict.accepted) this.#establish(call, peer, verdict);
      else refuseCall(call.stream, refusalOf(verdict));
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", `take a call on "${this.endpoint}"`);
      this.#context.logger.log("error", "grpc", "a handshake failed for a bug in the program", { error });
      call.stream.close();
    }
  }

  #establish(call: ArrivedCall, peer: CallPeer, verdict: Accepted): void {
    const { stream, connection, timeoutMs } = call;
    stream.respond(
      { ":status": 200, "content-type": CONTENT_TYPE, "grpc-accept-encoding": ACCEPTED_ENCODINGS },
      { waitForTrailers: true },
    );
    this.#links++;
    const encoding = headerOf(call.headers, "grpc-encoding");
    const deadline =
      timeoutMs === undefined
        ? undefined
        : this.#context.clock.setTimer(
            () => link.stop(new PolywireError("timed-out", "the call's deadline has passed")),
            timeoutMs,
          );
    const gone = (): void => {
      this.#links--;
      deadline?.cancel();
      this.#idle?.remove(link);
    };
    const link = new GrpcLink(stream, { peer: peer.kept(verdict), place: this.#place, connection, encoding, gone });
    this.#idle?.add(link);
    this.#accept(link);
    link.handOver();
  }
}

/** What a refused peer is told. */
export function refusalOf({ status, reason }: { status: number; reason: string }): Parameters<typeof refuseCall>[1] {
  return { code: codeOfHttp(status), message: reason, status };
}

/** An empty path and a slash are the same. */
export function canonicalPath(path: string): string {
  return path === "" ? "/" : path;
}
