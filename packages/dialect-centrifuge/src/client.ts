import { type CloseInfo, type Link, type Payload, PolywireError } from "@polywire/core";
import { type ClientSession, DISCONNECTS, type Origin, type SessionHost } from "@polywire/realtime";
import { ClientOutlet, type CommandSource, type EncodingGroup } from "./client-outlet.ts";
import type { CommandReader } from "./codec.ts";
import { dispatch } from "./dispatcher.ts";
import type { FrameSink } from "./frame-sinks.ts";
import type { Command } from "./message.ts";
import { connectRequest, connectResult, type Identity, withoutRecovery } from "./results.ts";

/**
 * Once so many commands of a client wait for their answers the turn of the event loop ends before the next is taken: the
 * broker answers by then, and others have their turn. A hub answers no to more than 1,024; and the writes of a turn are
 * joined, so that half as many cost a third of the throughput of a busy publisher.
 */
const UNANSWERED_IN_A_TURN = 1_000;

/**
 * What the official SDK for JavaScript calls itself. It asks for numbers in place of names at every subscribe; but in its
 * Protobuf form (5.8.0, `_getSub`) it compares the number of a push with that of the subscription by `===`, and both are
 * objects of the package `long`, which are never the same: whatever is told by number is passed over in silence. So in
 * Protobuf it is told names.
 */
const JAVASCRIPT_SDK = "js";

type ConnectCommand = Extract<Command, { readonly kind: "connect" }>;

/** Where a client comes to and from. */
export interface ClientPlace {
  readonly hub: SessionHost;
  readonly origin: Origin;
  /** What the client needs to send its commands another way than over this link. */
  readonly identity?: Identity;
  /** What stands between the link and the client: it makes frames of what the wire delivers. */
  readonly through?: (client: FrameSink) => FrameSink;
}

/**
 * One client: reads commands off its link and hands them to its session.
 *
 * Commands go to the session in the order they came. They wait, with the link paused, while `connect` is not answered
 * yet, while the client does not take the replies to those it gave before, and for the next turn while very many have no answer.
 */
export class Client implements FrameSink, CommandSource {
  readonly #link: Link;
  readonly #outlet: ClientOutlet;
  readonly #session: ClientSession;
  readonly #group: EncodingGroup;
  readonly #identity: Identity | undefined;
  #state: "new" | "connecting" | "connected" | "refused" = "new";
  #isBehind = false;
  #isTurnOver = true;
  #unanswered = 0;
  #hasEnded = false;
  /** Commands that came and have to wait. */
  #held: Command[] | undefined = undefined;

  constructor(link: Link, group: EncodingGroup, { hub, origin, identity, through }: ClientPlace) {
    this.#link = link;
    this.#group = group;
    this.#identity = identity;
    this.#outlet = new ClientOutlet(link, group, this);
    // Nothing is delivered before this returns, so there is a session when the first message comes.
    link.open(through?.(this) ?? this);
    this.#session = hub.openSession(this.#outlet, origin);
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

  malformed(): void {
    this.#session.disconnect(DISCONNECTS.badRequest);
  }

  /** More is being said than can be kept until the client takes its replies. */
  flooded(): void {
    this.#session.disconnect(DISCONNECTS.tooManyRequests);
  }

  fellBehind(): void {
    if (this.#session.isClosed) return;
    this.#isBehind = true;
    this.#hold();
  }

  drain(): void {
    this.#session.drained();
    this.#isBehind = false;
    this.#releaseHeld();
  }

  answered(): void {
    this.#unanswered--;
    this.#leaveIfDone();
  }

  /** The client has said all it will: it gets the replies that are due, and then it has gone. */
  ended(): void {
    this.#hasEnded = true;
    this.#leaveIfDone();
  }

  closed(_info: CloseInfo): void {
    this.#held = undefined;
    this.#session.closed();
  }

  #isListening(): boolean {
    return this.#state !== "refused";
  }

  #take(command: Command): void {
    if (command.kind !== "send" && command.kind !== "pong") this.#unanswered++;
    if (this.#unanswered >= UNANSWERED_IN_A_TURN && this.#isTurnOver) this.#waitForTurn();
    if (command.kind === "connect") this.#connect(command);
    else if (this.#state === "connected") dispatch(command, this.#session, this.#outlet);
    else this.#session.disconnect(DISCONNECTS.badRequest);
  }

  #connect(command: ConnectCommand): void {
    if (this.#state !== "new") return this.#session.disconnect(DISCONNECTS.badRequest);
    this.#state = "connecting";
    const { codec, options } = this.#group;
    const request = connectRequest(command.request);
    if (codec.name === "protobuf" && request.name === JAVASCRIPT_SDK) this.#outlet.knowsNumbers = false;
    this.#session.connect(options.pong ? request : { ...request, pings: "none" }, (error, result) => {
      if (result === undefined) {
        this.#state = "refused";
        if (error !== undefined) this.#outlet.answerError(command.id, error);
      } else {
        this.#state = "connected";
        if (!this.#outlet.tellIfFits(codec.connect(command.id, connectResult(result, this.#identity)))) {
          this.#outlet.tell(codec.connect(command.id, connectResult(withoutRecovery(result), this.#identity)));
        }
      }
      this.#releaseHeld();
    });
    if (this.#state === "connecting" && !this.#session.isClosed) this.#hold();
  }

  #waitForTurn(): void {
    this.#isTurnOver = false;
    this.#hold();
    this.#group.options.clock.endOfTurn(() => {
      this.#isTurnOver = true;
      try {
        this.#releaseHeld();
      } catch {
        // No wire stands below that would catch it: what is wrong with this client must not end the others.
        this.#session.disconnect(DISCONNECTS.internal);
      }
    });
  }

  #hold(): void {
    if (this.#held !== undefined) return;
    this.#held = [];
    this.#link.pause();
  }

  /** Goes on with the commands that waited, until one of them makes the others wait again. */
  #releaseHeld(): void {
    const held = this.#held;
    if (held === undefined || this.#isBehind || !this.#isTurnOver || this.#state === "connecting") return;
    this.#held = undefined;
    for (const [index, command] of held.entries()) {
      if (this.#session.isClosed || !this.#isListening()) break;
      this.#take(command);
      if (this.#hasToWait()) {
        this.#held = held.slice(index + 1);
        return;
      }
    }
    this.#link.resume();
    this.#leaveIfDone();
  }

  /** Who ends its side of a wire has mostly gone altogether, and a session of nobody would stay until its next ping. */
  #leaveIfDone(): void {
    if (!this.#hasEnded || this.#unanswered > 0 || this.#held !== undefined) return;
    this.#session.closed();
    this.#link.close();
  }

  #hasToWait(): boolean {
    return this.#held !== undefined;
  }
}
