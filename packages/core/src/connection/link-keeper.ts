import type { Clock, Random } from "../contract/clock.ts";
import type { CloseInfo, CloseReason } from "../contract/close.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link, Sink } from "../contract/link.ts";
import type { ConnectionEvents } from "./connection-events.ts";
import type { CompleteReconnect } from "./options.ts";
import type { ReconnectBudget } from "./reconnect-budget.ts";
import { Recovery } from "./recovery.ts";
import { type ConnectionState, type StateChange, States, type StatesOwner } from "./states.ts";
import { Timeline } from "./timeline.ts";

export interface KeeperHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: ReconnectBudget;
}

/** Whose link is kept. */
export interface KeeperOwner<L extends Link> {
  /** What every link is opened with. */
  readonly sink: Sink;
  /** One dial, with its deadline; `mark` hears of its phases. */
  dial(signal: AbortSignal, mark: (phase: string) => void): Promise<L>;
  /** The state is another already. */
  stateChanged(change: StateChange): void;
  /** Tells an event at the end of the step. */
  tell<Name extends keyof ConnectionEvents>(name: Name, event: ConnectionEvents[Name]): void;
  /** Does the work, then tells what it brought about. */
  step(work: () => void): void;
  /** All know of the new link: it may be used. */
  announced(): void;
  /** What waited for an answer of the link that is gone gets this instead. */
  rejectInFlight(error: PolywireError): void;
  /** Nothing waits for a link any more. */
  over(): void;
  failed(error: PolywireError): void;
}

export interface KeeperOptions {
  readonly reconnect: CompleteReconnect | undefined;
  /** The first dial that fails is the end. */
  readonly endsWithFirstFailure: boolean;
}

const NO_LINK_YET: CloseInfo = { by: "local", clean: true, reason: "", retryable: false, bytesLost: 0 };

/** Keeps one connection in links: dials, notices losses, dials again, ends. */
export class LinkKeeper<L extends Link> implements StatesOwner {
  /** Links there have been. */
  generation = 0;
  /** Bytes that the links so far had accepted and never sent. */
  bytesLost = 0;
  readonly timeline: Timeline = new Timeline();
  readonly #host: KeeperHost;
  readonly #owner: KeeperOwner<L>;
  readonly #states: States;
  readonly #reconnect: CompleteReconnect | undefined;
  /** Made when a link is lost, or cannot be made: most never are. */
  #recovery: Recovery | undefined = undefined;
  readonly #endsWithFirstFailure: boolean;
  #link: L | undefined = undefined;
  #lastLink: L | undefined = undefined;
  #lastError: PolywireError | undefined = undefined;
  /** Why the link was given up for another one. */
  #replacedFor: PolywireError | undefined = undefined;
  #dialling: AbortController | undefined = undefined;
  #isEnding = false;
  #dialledAtMs = 0;
  #openedAtMs = 0;
  #lostAtMs = 0;
  #closeInfo: CloseInfo | undefined = undefined;

  constructor(host: KeeperHost, owner: KeeperOwner<L>, { reconnect, endsWithFirstFailure }: KeeperOptions) {
    this.#host = host;
    this.#owner = owner;
    this.#states = new States(this);
    this.#reconnect = reconnect;
    this.#endsWithFirstFailure = endsWithFirstFailure;
  }

  get state(): ConnectionState {
    return this.#states.current;
  }

  /** The link there is. */
  get link(): L | undefined {
    return this.#link;
  }

  /** The link there is, or the last there was. */
  get lastLink(): L | undefined {
    return this.#lastLink;
  }

  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo;
  }

  get lastError(): PolywireError | undefined {
    return this.#lastError;
  }

  /** Dials that failed since the link was last up for long. */
  get failures(): number {
    return this.#recovery?.failures ?? 0;
  }

  /** A link that is gone is followed by another, unless what comes says otherwise. */
  get comesBack(): boolean {
    return this.#reconnect !== undefined && !this.#isEnding;
  }

  /** Begins to dial, where nothing has begun. */
  start(): void {
    if (this.state === "idle") this.#step(() => this.#dial(["idle"], "asked for"));
  }

  /** Ends the wait for the next dial, where there is one. */
  hurry(): void {
    if (this.state === "backoff") this.#step(() => this.#dial(["backoff"], "asked to reconnect now"));
  }

  /** Gives the link up as lost, so that another is dialled. */
  replace(error: PolywireError): void {
    if (this.#link === undefined || this.#isEnding || this.#replacedFor !== undefined) return;
    this.#replacedFor = error;
    this.#link.close({ discard: true });
  }

  /** No link will follow this one. */
  stay(): void {
    this.#isEnding = true;
  }

  /** Ends it all, politely where there is a link. */
  close(reason: CloseReason): void {
    const { code, reason: text = "", discard = false } = reason;
    this.#isEnding = true;
    if (this.#link === undefined) {
      const info = { ...NO_LINK_YET, reason: text, ...(code !== undefined && { code }) };
      this.#step(() => this.#end(info, "closed by the program"));
      return;
    }
    if (!discard) this.#step(() => this.#change(["ready"], "draining", "closed by the program"));
    this.#link.close(reason);
  }

  /** The link is gone. */
  lost(told: CloseInfo): void {
    // A plugin that tells its end twice breaks its promise; nobody else shall notice.
    if (this.#link === undefined) return;
    const info = this.#replacedFor === undefined ? told : givenUp(told, this.#replacedFor);
    this.#replacedFor = undefined;
    this.#step(() => {
      this.#link = undefined;
      this.bytesLost += info.bytesLost;
      this.#lostAtMs = this.now();
      if (info.error !== undefined) this.#lastError = info.error;
      const recovery = this.#recover();
      recovery?.lost(this.#openedAtMs);
      if (recovery === undefined || this.#isEnding || !info.retryable || recovery.isExhausted) {
        return this.#end(info, "the link is gone");
      }
      const delayMs = recovery.isLazy ? 0 : recovery.delay();
      const next = recovery.isLazy ? "idle" : "backoff";
      this.#change(["ready", "draining"], next, "the link was lost");
      this.#tellLoss(info, true);
      if (!recovery.isLazy) this.#dialLater(recovery, delayMs, info.error);
    });
  }

  now(): number {
    return this.#host.clock.now();
  }

  changed(change: StateChange): void {
    this.timeline.add(change.atMs, change.to, change.cause);
    this.#owner.stateChanged(change);
  }

  illegal(error: PolywireError): void {
    this.#owner.failed(error);
  }

  #dial(from: readonly ConnectionState[], cause: string): void {
    this.#recovery?.cancel();
    if (!this.#change(from, "connecting", cause)) return;
    this.#dialledAtMs = this.now();
    const dialling = new AbortController();
    this.#dialling = dialling;
    const mark = (phase: string): void => this.timeline.add(this.now(), phase);
    this.#owner.dial(dialling.signal, mark).then(
      (link) => this.#dialled(dialling, link),
      (thrown) => this.#dialFailed(dialling, PolywireError.from(thrown)),
    );
  }

  #dialled(dialling: AbortController, link: L): void {
    if (this.#dialling !== dialling) return discardLink(link);
    this.#dialling = undefined;
    this.#link = link;
    this.#lastLink = link;
    this.generation++;
    const { generation } = this;
    link.open(this.#owner.sink);
    // It is read once the listeners know of it.
    link.pause();
    this.#openedAtMs = this.now();
    this.#step(() => {
      this.#change(["connecting"], "ready", "the link is up");
      this.#owner.tell("connect", { generation });
      if (generation > 1) this.#owner.tell("reconnected", { generation, downtimeMs: this.now() - this.#lostAtMs });
    });
    if (this.#link === link) this.#owner.announced();
  }

  #dialFailed(dialling: AbortController, error: PolywireError): void {
    if (this.#dialling !== dialling) return;
    this.#dialling = undefined;
    this.#lastError = error;
    this.timeline.add(this.now(), "failed", `${error.code}: ${error.message}`);
    this.#step(() => {
      const recovery = this.#recover();
      recovery?.failed(this.#dialledAtMs);
      const isFirst = this.generation === 0 && this.#endsWithFirstFailure;
      if (recovery === undefined || isFirst || recovery.isExhausted || !isPassing(error)) {
        return this.#end(
          { ...NO_LINK_YET, by: "network", clean: false, retryable: error.retryable, error },
          "the dial failed",
        );
      }
      this.#change(["connecting"], "backoff", "the dial failed");
      const mostMs = error.code === "host-not-found" ? NAMELESS_WAIT_MS : Infinity;
      this.#dialLater(recovery, recovery.delay(mostMs), error);
    });
  }

  #recover(): Recovery | undefined {
    if (this.#reconnect === undefined) return undefined;
    this.#recovery ??= new Recovery(this.#host, this.#reconnect, (error) => this.#owner.failed(error));
    return this.#recovery;
  }

  #dialLater(recovery: Recovery, delayMs: number, error: PolywireError | undefined): void {
    this.#owner.tell("reconnecting", { attempt: recovery.failures + 1, delayMs, error });
    recovery.schedule(delayMs, () => this.#step(() => this.#dial(["backoff"], "the wait is over")));
  }

  #end(info: CloseInfo, cause: string): void {
    const hadLink = this.state === "ready" || this.state === "draining";
    const ends = ["idle", "connecting", "ready", "backoff", "draining"] as const;
    if (this.state === "closed") return;
    this.#closeInfo = info;
    this.#recovery?.cancel();
    this.#change(ends, "closed", cause);
    const dialling = this.#dialling;
    this.#dialling = undefined;
    dialling?.abort(endError(info));
    if (hadLink) this.#tellLoss(info, false);
    this.#owner.over();
    if (info.error !== undefined && hadLink) this.#owner.tell("error", info.error);
    this.#owner.tell("close", info);
  }

  #tellLoss(closeInfo: CloseInfo, willReconnect: boolean): void {
    this.#owner.rejectInFlight(endError(closeInfo));
    this.#owner.tell("disconnect", { closeInfo, willReconnect });
  }

  #change(from: readonly ConnectionState[], to: ConnectionState, cause: string): boolean {
    return this.#states.change(from, to, { cause, attempt: this.failures });
  }

  #step(work: () => void): void {
    this.#owner.step(work);
  }
}

/** The program did not ask for the end of this link, so another one follows. */
function givenUp({ bytesLost }: CloseInfo, error: PolywireError): CloseInfo {
  return { by: "network", clean: false, reason: "", retryable: true, bytesLost, error };
}

/** What is told to those who wait for something that the end makes impossible. */
export function endError(info: CloseInfo): PolywireError {
  if (info.error !== undefined) return info.error;
  const who = { local: "the program", remote: "the peer", network: "the network" }[info.by];
  const reason = info.reason === "" ? "" : `: ${info.reason}`;
  return new PolywireError("closed", `the connection was closed by ${who}${reason}`);
}

/** The longest wait for a resolver that is gone: to ask it costs the peer nothing, and wires ask once a second at the most. */
const NAMELESS_WAIT_MS = 4_000;

/** Whether a later dial of the same endpoint may go well. */
function isPassing(error: PolywireError): boolean {
  // A resolver that is gone for a while has no names: that is the network, not the spelling.
  return error.retryable || error.code === "host-not-found";
}

/** A link that nobody wants any more. */
export function discardLink(link: Link): void {
  link.open({ message() {}, closed() {} });
  link.close({ discard: true });
}
