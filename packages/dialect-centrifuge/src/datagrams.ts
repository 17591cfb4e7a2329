import { type Link, type Payload, PolywireError, type SendResult, type Timer } from "@polywire/core";
import { type ClientSession, type ConnectRequest, type Outlet, type SessionHost } from "@polywire/realtime";
import { ClientOrigin } from "./client-origin.ts";
import type { EncodingGroup } from "./client-outlet.ts";
import type { Command } from "./message.ts";
import { connectRequest } from "./results.ts";

/** How long the program and the broker may take for one datagram. */
const DATAGRAM_TIMEOUT_MS = 10_000;

/** What a datagram may say after its connect. */
type Said = Extract<Command, { readonly kind: "publish" | "send" }>;

const NO_DATA = new Uint8Array(0);

/** Counts since the handler was made. */
export interface DatagramStats {
  /** Datagrams all of whose commands were done. */
  readonly taken: number;
  /** Datagrams that were none, or whose connect or one of whose commands was refused. */
  readonly refused: number;
  /** Datagrams that came while too many others were in the works. */
  readonly dropped: number;
  /** In the works now. */
  readonly inFlight: number;
}

/**
 * Takes datagrams of peers that are told nothing, not even that they were heard: each is a session of its own, from its
 * connect to its last publish. Their addresses prove nothing, so each says who it is.
 */
export class Datagrams {
  readonly #hub: SessionHost;
  readonly #maxInFlight: number;
  #taken = 0;
  #refused = 0;
  #dropped = 0;
  #inFlight = 0;

  constructor(hub: SessionHost, maxInFlight: number) {
    this.#hub = hub;
    this.#maxInFlight = maxInFlight;
  }

  get stats(): DatagramStats {
    return { taken: this.#taken, refused: this.#refused, dropped: this.#dropped, inFlight: this.#inFlight };
  }

  serve(link: Link, group: EncodingGroup, transport: string): void {
    const origin = new ClientOrigin(link.peer, { transport, encoding: group.codec.name });
    link.open({ message: (datagram) => this.#take(datagram, group, origin), closed() {} });
  }

  #take(datagram: Payload, group: EncodingGroup, origin: ClientOrigin): void {
    if (this.#inFlight >= this.#maxInFlight) {
      this.#dropped++;
      return;
    }
    const said = read(datagram, group);
    if (said === undefined) {
      this.#refused++;
      return;
    }
    this.#inFlight++;
    const finished = (isTaken: boolean): void => {
      this.#inFlight--;
      if (isTaken) this.#taken++;
      else this.#refused++;
    };
    new DatagramClient(group, finished).run(said, { hub: this.#hub, origin });
  }
}

interface Datagram {
  readonly request: ConnectRequest;
  readonly commands: readonly Said[];
}

/** What a datagram says, copied out of it; `undefined` for one that is malformed or says what none may. */
function read(datagram: Payload, { codec, options }: EncodingGroup): Datagram | undefined {
  try {
    const reader = codec.read(datagram);
    const first = reader.next();
    if (first?.kind !== "connect") return undefined;
    const commands: Said[] = [];
    for (let command = reader.next(); command !== undefined; command = reader.next()) {
      if (command.kind !== "publish" && command.kind !== "send") return undefined;
      if (commands.push(command) >= options.maxCommandsPerFrame) return undefined;
    }
    return { request: { ...connectRequest(first.request), pings: "none", isDeaf: true }, commands };
  } catch (thrown) {
    if (PolywireError.is(thrown)) return undefined;
    throw thrown;
  }
}

/** The session of one datagram. Whatever it is told is dropped. */
class DatagramClient implements Outlet {
  readonly encoding: string;
  address: string | undefined = undefined;
  readonly bufferedBytes = 0;
  readonly #format: "json" | "binary";
  readonly #clock: EncodingGroup["options"]["clock"];
  readonly #finished: (isTaken: boolean) => void;
  #session: ClientSession | undefined = undefined;
  #deadline: Timer | undefined = undefined;
  #awaited = 1;
  #isRefused = false;
  #isOver = false;

  constructor({ codec, options }: EncodingGroup, finished: (isTaken: boolean) => void) {
    this.encoding = codec.name;
    this.#format = codec.name === "json" ? "json" : "binary";
    this.#clock = options.clock;
    this.#finished = finished;
  }

  run({ request, commands }: Datagram, { hub, origin }: { hub: SessionHost; origin: ClientOrigin }): void {
    this.address = origin.address;
    const session = hub.openSession(this, origin);
    // The hub has no room, and has said so already.
    if (this.#isOver) return;
    this.#session = session;
    session.connect(request, (error) => {
      if (error !== undefined) return this.#end(false);
      for (const command of commands) if (!session.isClosed) this.#say(command, session);
      this.#done();
    });
    if (this.#isOver) return;
    this.#deadline = this.#clock.setTimer(() => this.#end(false), DATAGRAM_TIMEOUT_MS);
  }

  event(): SendResult {
    return "sent";
  }

  message(): SendResult {
    return "sent";
  }

  unsubscribed(): void {}

  subscribed(): void {}

  ping(): void {}

  /** The hub ends the session: it is over there already. */
  disconnect(): void {
    this.#session = undefined;
    this.#end(false);
  }

  #say(command: Said, session: ClientSession): void {
    if (command.kind === "send") return session.send(command.data ?? NO_DATA, this.#format);
    const { channel, data = NO_DATA, type } = command.request;
    if (type !== 0) {
      this.#isRefused = true;
      return;
    }
    this.#awaited++;
    session.publish(channel, data, this.#format, (error) => {
      if (error !== undefined) this.#isRefused = true;
      this.#done();
    });
  }

  #done(): void {
    this.#awaited--;
    if (this.#awaited === 0) this.#end(!this.#isRefused);
  }

  #end(isTaken: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline?.cancel();
    this.#session?.closed();
    this.#finished(isTaken);
  }
}
