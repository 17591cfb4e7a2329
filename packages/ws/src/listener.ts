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
import { adopt, canAdopt, LinkSocket } from "./link-socket.ts";
import { plainKey, switchingProtocols } from "./opening.ts";
import { type CompleteListenOptions, DEFAULT_HEARTBEAT } from "./options.ts";
import { UpgradePeer } from "./peer.ts";
import { canonicalPath, type Door, type DoorKeeper } from "./server.ts";
import { type SocketSettings, socketSettings } from "./settings.ts";
import { destroySocket, refuse, type Target } from "./upgrade.ts";

/** An upgrade request that is being judged. */
class Handshake implements Flushable {
  readonly request: IncomingMessage;
  readonly head: Buffer;
  readonly peer: UpgradePeer;
  /** Set when the answer is ours, not the library's. */
  readonly key: string | undefined;
  /** Lets the library answer. */
  proceed: (() => void) | undefined = undefined;
  verdict: Accepted | undefined = undefined;

  constructor(request: IncomingMessage, head: Buffer, { peer, key }: { peer: UpgradePeer; key: string | undefined }) {
    this.request = request;
    this.head = head;
    this.peer = peer;
    this.key = key;
  }

  get socket(): Socket {
    return this.request.socket;
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

/** One path of one server: judges upgrade requests and turns them into links. */
export class WebSocketListener implements Listener, Door {
  readonly endpoint: Endpoint;
  readonly #accept: (link: WebSocketLink) => void;
  readonly #context: ListenContext;
  readonly #options: CompleteListenOptions;
  readonly #keeper: DoorKeeper;
  readonly #path: string;
  readonly #place: LinkPlace;
  readonly #settings: SocketSettings;
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
    this.#settings = socketSettings(limits, options);
    this.#webSockets = new WebSocketServer({
      ...this.#settings,
      noServer: true,
      clientTracking: false,
      WebSocket: LinkSocket,
      verifyClient: ({ req }: { req: IncomingMessage }, done: (isAccepted: boolean) => void) => {
        const handshake = this.#handshakes.get(req) as Handshake;
        handshake.proceed = () => done(true);
        this.#judge(handshake);
      },
      handleProtocols: (_offered, request) => this.#handshakes.get(request)?.verdict?.subprotocol ?? false,
    });
    keeper.add(this.#path, this, this.endpoint);
  }

  upgrade(request: IncomingMessage, target: Target, head: Buffer): void {
    const { socket, headers } = request;
    const { maxLinks, maxHandshakes } = this.#context.limits;
    const isFull = this.#links + this.#handshakes.size >= maxLinks;
    if (isFull || this.#handshakes.size >= maxHandshakes) {
      this.#context.turnedAway(isFull ? "full" : "busy");
      return refuse(socket, 503, isFull ? "too many connections" : "too many handshakes");
    }
    if (hasBody(request)) return refuse(socket, 400, "a WebSocket handshake has no body");
    // At least one client library sends it empty and means none.
    if (headers["sec-websocket-protocol"]?.trim() === "") delete headers["sec-websocket-protocol"];
    const isCompressing = this.#settings.perMessageDeflate !== false;
    const key = canAdopt ? plainKey(request, { isCompressing }) : undefined;
    // Our own text for the path: the request's would keep the whole target in memory for as long as the link lives.
    const peer = new UpgradePeer(request, { path: this.#path, query: target.query });
    const handshake = new Handshake(request, head, { peer, key });
    this.#handshakes.set(request, handshake);
    this.#guard(socket, () => {
      if (key === undefined) this.#leaveToLibrary(handshake);
      else this.#judge(handshake);
    });
    if (!this.#handshakes.has(request)) return;
    // Most verdicts come at once; only a handshake that waits for one can lose its peer.
    socket.once("close", () => void this.#handshakes.delete(request));
    socket.on("error", destroySocket);
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#keeper.remove(this.#path);
    for (const { socket } of this.#handshakes.values()) refuse(socket, 503, "closing");
    return Promise.resolve();
  }

  #leaveToLibrary(handshake: Handshake): void {
    const { request, socket, head } = handshake;
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#established(webSocket as LinkSocket, handshake);
    });
  }

  #judge(handshake: Handshake): void {
    const verdict = this.#context.admit(handshake.peer);
    if (!(verdict instanceof Promise)) return this.#answer(handshake, verdict);
    void verdict.then((given) => this.#guard(handshake.socket, () => this.#answer(handshake, given)));
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

  #answer(handshake: Handshake, verdict: Admission): void {
    const { socket } = handshake;
    if (this.#isClosed) return refuse(socket, 503, "closing");
    if (!verdict.accepted) return refuse(socket, verdict.status, verdict.reason);
    const { offeredSubprotocols } = handshake.peer;
    const subprotocol =
      verdict.subprotocol ?? this.#options.subprotocols.find((name) => offeredSubprotocols.includes(name));
    if (subprotocol !== undefined && !offeredSubprotocols.includes(subprotocol)) {
      this.#context.logger.log("error", "ws", "admission chose a subprotocol that was not offered", { subprotocol });
      return refuse(socket, 500, "no common subprotocol");
    }
    handshake.verdict = subprotocol === undefined ? verdict : { ...verdict, subprotocol };
    // The peer has gone, or says nothing more: nobody to talk to.
    if (!socket.readable || !socket.writable) return void socket.destroy();
    handshake.holdUntilEndOf(this.#context.turn);
    socket.off("error", destroySocket);
    if (handshake.proceed === undefined) this.#open(handshake, subprotocol);
    else handshake.proceed();
  }

  #open(handshake: Handshake, subprotocol: string | undefined): void {
    const { socket, head, key } = handshake;
    if (socket.listenerCount("data") > 0) {
      throw new PolywireError("invalid-state", "somebody else has answered the upgrade while it was being judged");
    }
    socket.write(switchingProtocols(key as string, subprotocol), "latin1");
    this.#established(adopt(socket, head, this.#settings), handshake);
  }

  #established(webSocket: LinkSocket, { request, socket, peer, verdict }: Handshake): void {
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
