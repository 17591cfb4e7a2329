import type { ServerHttp2Stream } from "node:http2";
import { type ListenContext, PolywireError } from "@polywire/core";
import { type ArrivedCall, CLOSING, CONTENT_TYPE, type Route, refuseCall } from "./call.ts";
import { frame } from "./frame.ts";
import { decodeRequest, encodeList, encodeResponse, type ServingStatus } from "./health-message.ts";
import { GrpcLink, type LinkPlace } from "./link.ts";
import { CallPeer } from "./peer.ts";
import { codeOfError, GRPC_STATUS } from "./status.ts";
import { answerTraits } from "./traits.ts";
import { UnaryRequest } from "./unary-request.ts";

const HEALTH_SERVICE = "/grpc.health.v1.Health";
/** A name longer than this is no service of ours. */
const MAX_REQUEST_BYTES = 1_024;
/** The protocol's own limit for a list. */
const MAX_LISTED = 100;

interface Watcher {
  readonly link: GrpcLink;
  readonly service: string;
  told: ServingStatus;
}

/**
 * `grpc.health.v1.Health` of one server. It knows the server itself (the empty name), and by path and by service name
 * what its listeners serve.
 */
export class HealthService {
  /** Its methods by path. */
  readonly routes: ReadonlyMap<string, Route>;
  readonly #place: LinkPlace;
  readonly #context: ListenContext;
  /** How many listeners serve what; those that have gone stay known, with none. */
  readonly #listeners = new Map<string, number>([["", 0]]);
  readonly #watchers = new Set<Watcher>();
  #isClosed = false;

  constructor(context: ListenContext) {
    const { clock, limits, logger, turn } = context;
    this.#context = context;
    this.#place = { traits: answerTraits(limits), limits, clock, logger, turn, isServer: true };
    const route = (answer: (call: ArrivedCall, message: Uint8Array) => void): Route => ({
      carries: "exchanges",
      take: (call) => this.#take(call, answer),
    });
    this.routes = new Map([
      [`${HEALTH_SERVICE}/Check`, route((call, message) => this.#check(call, message))],
      [`${HEALTH_SERVICE}/Watch`, route((call, message) => this.#watch(call, message))],
      [`${HEALTH_SERVICE}/List`, route(({ stream }) => this.#list(stream))],
    ]);
  }

  /** A listener serves the path. */
  serving(path: string): void {
    this.#count(path, 1);
  }

  /** A listener of the path has gone. */
  notServing(path: string): void {
    this.#count(path, -1);
  }

  /** The server takes no more calls: watchers have been told, and may go and watch another. */
  close(): void {
    this.#isClosed = true;
    for (const { link } of this.#watchers) link.stop(new PolywireError("not-available", "closing"));
  }

  #count(path: string, by: number): void {
    for (const name of namesOf(path)) this.#listeners.set(name, (this.#listeners.get(name) ?? 0) + by);
    for (const watcher of this.#watchers) this.#tell(watcher);
  }

  #statusOf(service: string): ServingStatus | undefined {
    const listeners = this.#listeners.get(service);
    if (listeners === undefined) return undefined;
    return listeners > 0 && !this.#isClosed ? "SERVING" : "NOT_SERVING";
  }

  #take(call: ArrivedCall, answer: (call: ArrivedCall, message: Uint8Array) => void): void {
    const { clock, limits } = this.#context;
    const { stream } = call;
    if (this.#isClosed) return refuseCall(stream, CLOSING);
    const late = { code: GRPC_STATUS.DEADLINE_EXCEEDED, message: "the request did not arrive in time" };
    const timer = clock.setTimer(() => refuseCall(stream, late), limits.handshakeTimeoutMs);
    const cancel = (): void => timer.cancel();
    stream.once("close", cancel);
    new UnaryRequest(call, MAX_REQUEST_BYTES, {
      arrived: (message) => {
        cancel();
        try {
          answer(call, message);
        } catch (thrown) {
          refuse(stream, PolywireError.from(thrown));
        }
      },
      failed: (error) => refuse(stream, error),
    });
  }

  #check({ stream }: ArrivedCall, message: Uint8Array): void {
    const status = this.#statusOf(decodeRequest(message));
    if (status === undefined) refuseCall(stream, { code: GRPC_STATUS.NOT_FOUND, message: "unknown service" });
    else respond(stream, encodeResponse(status));
  }

  #list(stream: ServerHttp2Stream): void {
    if (this.#listeners.size > MAX_LISTED)
      return refuseCall(stream, { code: GRPC_STATUS.RESOURCE_EXHAUSTED, message: "too many services to list" });
    const names = [...this.#listeners.keys()];
    respond(stream, encodeList(names.map((name) => [name, this.#statusOf(name) as ServingStatus] as const)));
  }

  #watch({ stream, peer, connection, path, query }: ArrivedCall, message: Uint8Array): void {
    const service = decodeRequest(message);
    if (this.#watchers.size >= this.#place.limits.maxLinks)
      return refuseCall(stream, { code: GRPC_STATUS.RESOURCE_EXHAUSTED, message: "too many watch" });
    stream.respond({ ":status": 200, "content-type": CONTENT_TYPE }, { waitForTrailers: true });
    const link = new GrpcLink(stream, {
      peer: new CallPeer(peer, { path, query, headers: undefined }),
      place: this.#place,
      connection,
      encoding: undefined,
      gone: () => void this.#watchers.delete(watcher),
    });
    const watcher: Watcher = { link, service, told: "UNKNOWN" };
    this.#watchers.add(watcher);
    link.open({ message() {}, closed() {} });
    link.handOver();
    this.#tell(watcher);
  }

  #tell(watcher: Watcher): void {
    const status = this.#statusOf(watcher.service) ?? "SERVICE_UNKNOWN";
    if (status === watcher.told) return;
    watcher.told = status;
    watcher.link.send(encodeResponse(status));
  }
}

/** The server itself, the path, and the service it belongs to. */
function namesOf(path: string): readonly string[] {
  const service = path.slice(1, path.lastIndexOf("/"));
  return [...new Set(["", path === "/" ? "" : path, service])];
}

function respond(stream: ServerHttp2Stream, message: Uint8Array): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": 200, "content-type": CONTENT_TYPE }, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(frame(message));
}

function refuse(stream: ServerHttp2Stream, error: PolywireError): void {
  const code = error.code === "invalid-state" ? GRPC_STATUS.UNIMPLEMENTED : codeOfError(error);
  refuseCall(stream, { code, message: error.message });
}
