import {
  type CloseInfo,
  type Link,
  type Payload,
  type Peer,
  type PeerCertificate,
  PolywireError,
  type Sink,
} from "@polywire/core";
import { type ClientSession, DISCONNECTS, type Origin, type SessionHost } from "@polywire/realtime";
import { ClientOutlet, type EncodingGroup } from "./client-outlet.ts";
import type { CommandReader } from "./codec.ts";
import { dispatch } from "./dispatcher.ts";
import type { Command } from "./message.ts";
import { connectRequest, connectResult, withoutRecovery } from "./results.ts";

type ConnectCommand = Extract<Command, { readonly kind: "connect" }>;

/**
 * One client: reads commands off its link and hands them to its session.
 *
 * Commands go to the session in the order they came. Only `connect` holds the others up: until it is answered the link is
 * paused, and what the connect's own frame still had waits here.
 */
export class Client implements Sink {
  readonly #link: Link;
  readonly #outlet: ClientOutlet;
  readonly #session: ClientSession;
  readonly #group: EncodingGroup;
  #state: "new" | "connecting" | "connected" | "refused" = "new";
  #held: Command[] | undefined = undefined;

  constructor(link: Link, group: EncodingGroup, { hub, protocol }: { hub: SessionHost; protocol: string }) {
    this.#link = link;
    this.#group = group;
    this.#outlet = new ClientOutlet(link, group);
    // Nothing is delivered before this returns, so there is a session when the first message comes.
    link.open(this);
    this.#session = hub.openSession(
      this.#outlet,
      new LinkOrigin(link.peer, { transport: protocol, encoding: group.codec.name }),
    );
    this.#outlet.session = this.#session;
  }

  message(frame: Payload): void {
    const session = this.#session;
    if (session.isClosed) return;
    // A connect that was answered with an error leaves nothing to say.
    if (this.#state === "refused") return session.disconnect(DISCONNECTS.badRequest);
    let reader: CommandReader | undefined;
    for (let count = 0; !session.isClosed && this.#isListening(); count++) {
      let command: Command | undefined;
      try {
        reader ??= this.#group.codec.read(frame);
        command = reader.next();
      } catch (thrown) {
        if (!PolywireError.is(thrown)) throw thrown;
        return session.disconnect(DISCONNECTS.badRequest);
      }
      if (command === undefined) return;
      if (count === this.#group.options.maxCommandsPerFrame) return session.disconnect(DISCONNECTS.badRequest);
      if (this.#held === undefined) this.#take(command);
      else this.#held.push(command);
    }
  }

  closed(_info: CloseInfo): void {
    this.#held = undefined;
    this.#session.closed();
  }

  #isListening(): boolean {
    return this.#state !== "refused";
  }

  #take(command: Command): void {
    if (command.kind === "connect") this.#connect(command);
    else if (this.#state === "connected") dispatch(command, this.#session, this.#outlet);
    else this.#session.disconnect(DISCONNECTS.badRequest);
  }

  #connect(command: ConnectCommand): void {
    if (this.#state !== "new") return this.#session.disconnect(DISCONNECTS.badRequest);
    this.#state = "connecting";
    this.#session.connect(connectRequest(command.request), (error, result) => {
      const { codec } = this.#group;
      if (result === undefined) {
        this.#state = "refused";
        if (error !== undefined) this.#outlet.answerError(command.id, error);
      } else {
        this.#state = "connected";
        if (!this.#outlet.tellIfFits(codec.connect(command.id, connectResult(result)))) {
          this.#outlet.tell(codec.connect(command.id, connectResult(withoutRecovery(result))));
        }
      }
      this.#releaseHeld();
    });
    if (this.#state !== "connecting" || this.#session.isClosed) return;
    this.#held = [];
    this.#link.pause();
  }

  #releaseHeld(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    for (const command of held) {
      if (this.#session.isClosed || !this.#isListening()) break;
      this.#take(command);
    }
    this.#link.resume();
  }
}

/** Where the client comes from, looked up when somebody asks. */
class LinkOrigin implements Origin {
  readonly transport: string;
  readonly encoding: string;
  readonly #peer: Peer;

  constructor(peer: Peer, { transport, encoding }: { readonly transport: string; readonly encoding: string }) {
    this.#peer = peer;
    this.transport = transport;
    this.encoding = encoding;
  }

  get address(): string | undefined {
    return this.#peer.address;
  }

  get headers(): ReadonlyMap<string, string> | undefined {
    return this.#peer.headers;
  }

  get certificate(): PeerCertificate | undefined {
    return this.#peer.certificate;
  }
}
