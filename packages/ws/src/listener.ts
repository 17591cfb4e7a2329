import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import {
  type Accepted,
  type Admission,
  type Endpoint,
  type Flushable,
  type ListenContext,
  type Listener,
  PolywireError,
  type Traits,
  type Turn,
  withPort,
} from "@polywire/core";
import { WebSocketServer } from "ws";
import { Heartbeat } from "./heartbeat.ts";
import { type LinkPlace, WebSocketLink } from "./link.ts";
import { LinkSocket } from "./link-socket.ts";
import { type CompleteListenOptions, DEFAULT_HEARTBEAT } from "./options.ts";
import { UpgradePeer } from "./peer.ts";
import { canonicalPath, type Door, type DoorKeeper } from "./server.ts";
import { socketSettings } from "./settings.ts";
import { refuse, type Target } from "./upgrade.ts";

type Verify = (isAccepted: boolean, status?: number, reason?: string, headers?: Record<string, string>) => void;

/** An upgrade request that is being judged. */
class Handshake implements Flushable {
  readonly socket: Socket;
  readonly peer: UpgradePeer;
  verdict: Accepted | undefined = undefined;

  constructor(request: IncomingMessage, target: Target) {
    this.socket = request.socket;
    this.peer = new UpgradePeer(request, target);
  }

  /**
   * What the socket is told waits for the end of the turn, as everything does that links send: when many clients come at
   * once, their answers leave in one go, and the other side wakes up once for all of them.
   */
  holdUntilEndOf(turn: Turn): void {
    this.socket.cork();
    turn.schedule(this);
  }

  flush(): void {
    this.socket.uncork();
  }
}

const REFUSAL_HEADERS = { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" };

/** One path of one server: judges upgrade requests and turns them into links. */
export class WebSocketListener implements Listener, Door {
  readonly endpoint: Endpoint;
  readonly #accept: (link: WebSocketLink) => void;
  readonly #context: ListenContext;
  readonly #options: CompleteListenOptions;
  readonly #keeper: DoorKeeper;
  readonly #path: string;
  readonly #place: LinkPlace;
  readonly #webSockets: WebSocketServer;
  readonly #handshakes = new Map<IncomingMessage, Handshake>();
  #links = 0;
  #isClosed = false;

  constructor(
    endpoint: Endpoint,
    accept: (link: WebSocketLink) => void,
    {
      context,
      options,
      keeper,
      traits,
    }: { context: ListenContext; options: CompleteListenOptions; keeper: DoorKeeper; traits: Traits },
  ) {
    const { clock, limits, logger, turn } = context;
    this.endpoint = keeper.port === undefined ? endpoint : withPort(endpoint, keeper.port);
    this.#accept = accept;
    this.#context = context;
    this.#options = options;
    this.#keeper = keeper;
    this.#path = canonicalPath(endpoint.path);
    this.#place = {
      traits,
      limits,
      clock,
      logger,
      turn,
      masks: undefined,
      heartbeat: options.heartbeat && new Heartbeat(clock, options.heartbeat),
      pingTimeoutMs: (options.heartbeat ?? DEFAULT_HEARTBEAT).timeoutMs,
      gone: () => {
        this.#links--;
        keeper.links--;
      },
    };
    this.#webSockets = new WebSocketServer({
      ...socketSettings(limits, options),
      noServer: true,
      clientTracking: false,
      WebSocket: LinkSocket,
      verifyClient: ({ req }: { req: IncomingMessage }, done: Verify) => this.#judge(req, done),
      handleProtocols: (_offered, request) => this.#handshakes.get(request)?.verdict?.subprotocol ?? false,
    });
    keeper.add(this.#path, this, this.endpoint);
  }

  upgrade(request: IncomingMessage, target: Target, head: Buffer): void {
    const { socket, headers } = request;
    const { maxLinks, maxHandshakes } = this.#context.limits;
    if (this.#links + this.#handshakes.size >= maxLinks) return refuse(socket, 503, "too many connections");
    if (this.#handshakes.size >= maxHandshakes) return refuse(socket, 503, "too many handshakes");
    if (hasBody(request)) return refuse(socket, 400, "a WebSocket handshake has no body");
    // At least one client library sends it empty and means none.
    if (headers["sec-websocket-protocol"]?.trim() === "") delete headers["sec-websocket-protocol"];
    this.#handshakes.set(request, new Handshake(request, target));
    this.#guard(socket, () => {
      // The library handles the socket's errors from here on.
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#established(webSocket as LinkSocket, request);
      });
    });
    // Most verdicts come at once; only a handshake that waits for one can lose its peer.
    if (this.#handshakes.has(request)) socket.once("close", () => void this.#handshakes.delete(request));
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#keeper.remove(this.#path);
    for (const { socket } of this.#handshakes.values()) refuse(socket, 503, "closing");
    return Promise.resolve();
  }

  #judge(request: IncomingMessage, done: Verify): void {
    const handshake = this.#handshakes.get(request) as Handshake;
    const answer = (given: Admission): void => {
      this.#guard(handshake.socket, () => this.#answer(handshake, given, done));
    };
    const verdict = this.#context.admit(handshake.peer);
    if (verdict instanceof Promise) void verdict.then(answer);
    else answer(verdict);
  }

  /** A bug of the program (two networks on one path of one server, a check without a verdict) costs one peer only. */
  #guard(socket: Socket, work: () => void): void {
    try {
      work();
    } catch (thrown) {
      const error = PolywireError.from(thrown, "internal", `upgrade on "${this.endpoint}"`);
      this.#context.logger.log("error", "ws", "a handshake failed for a bug in the program", { error });
      socket.destroy();
    }
  }

  #answer(handshake: Handshake, verdict: Admission, done: Verify): void {
    if (this.#isClosed) return done(false, 503, "closing\n", REFUSAL_HEADERS);
    if (!verdict.accepted) return done(false, verdict.status, `${verdict.reason}\n`, REFUSAL_HEADERS);
    const { offeredSubprotocols } = handshake.peer;
    const subprotocol =
      verdict.subprotocol ?? this.#options.subprotocols.find((name) => offeredSubprotocols.includes(name));
    if (subprotocol !== undefined && !offeredSubprotocols.includes(subprotocol)) {
      this.#context.logger.log("error", "ws", "admission chose a subprotocol that was not offered", { subprotocol });
      return done(false, 500, "no common subprotocol\n", REFUSAL_HEADERS);
    }
    handshake.verdict = subprotocol === undefined ? verdict : { ...verdict, subprotocol };
    handshake.holdUntilEndOf(this.#context.turn);
    done(true);
  }

  #established(webSocket: LinkSocket, request: IncomingMessage): void {
    const { socket, peer, verdict } = this.#handshakes.get(request) as Handshake;
    this.#handshakes.delete(request);
    this.#links++;
    this.#keeper.links++;
    const link = new WebSocketLink(webSocket, { socket, peer: peer.kept(socket, verdict), place: this.#place });
    this.#accept(link);
    link.handOver();
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  const { "content-length": length = "0", "transfer-encoding": encoding } = headers;
  return length !== "0" || encoding !== undefined;
}
