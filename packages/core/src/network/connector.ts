import { Connection, type ConnectionHost, conversationOf } from "../connection/connection.ts";
import type { ConnectionEvents } from "../connection/connection-events.ts";
import {
  type DialStep,
  type Intercepting,
  intercepted,
  type MessageSteps,
  messageSteps,
} from "../connection/interceptors.ts";
import { discardLink } from "../connection/link-keeper.ts";
import { type ConnectionOptions, completeConnectionOptions } from "../connection/options.ts";
import { ReconnectBudget, type ReconnectBudgetOptions } from "../connection/reconnect-budget.ts";
import type { Clock, Random } from "../contract/clock.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";
import type { Link } from "../contract/link.ts";
import type { DialContext, HostContext } from "../contract/protocol.ts";
import type { Rounds } from "../health/rounds.ts";
import type { ConnectOptions, Dialer } from "./dialer.ts";
import { traitsOf } from "./protocol-results.ts";
import type { Roster } from "./roster.ts";
import type { AnyProtocol } from "./schemes.ts";

export interface ConnectorOptions {
  readonly dialer: Dialer;
  readonly roster: Roster;
  readonly intercepting: Intercepting;
  readonly budget: Required<ReconnectBudgetOptions>;
  readonly rounds: Rounds;
  readonly failed: (error: PolywireError) => void;
}

/** What is dialled: an endpoint of a protocol. */
export interface Target {
  readonly protocol: AnyProtocol;
  readonly endpoint: Endpoint;
}

/** Makes the connections of a network. */
export class Connector implements ConnectionHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: ReconnectBudget;
  readonly rounds: Rounds;
  readonly steps: MessageSteps | undefined;
  readonly #dialer: Dialer;
  readonly #roster: Roster;
  readonly #intercepting: Intercepting;
  readonly #failed: (error: PolywireError) => void;

  constructor(host: HostContext, options: ConnectorOptions) {
    const { dialer, roster, intercepting, budget, rounds, failed } = options;
    this.clock = host.clock;
    this.random = host.random;
    this.rounds = rounds;
    this.budget = new ReconnectBudget(host.clock, budget, () => roster.dialled);
    this.steps = messageSteps(intercepting, {
      send: (payload, connection) => conversationOf(connection).transmit(payload),
      receive: (payload, connection) => conversationOf(connection).deliver(payload),
    });
    this.#dialer = dialer;
    this.#roster = roster;
    this.#intercepting = intercepting;
    this.#failed = failed;
  }

  get isQualityWatched(): boolean {
    return this.#roster.isQualityWatched;
  }

  /** A connection that dials when it is asked to. */
  connection(target: Target, options: ConnectOptions & ConnectionOptions, endsWithFirstFailure: boolean): Connection {
    const { protocol, endpoint } = target;
    const dial = this.dialStep(target, options);
    const { reconnect, pending, vitals } = completeConnectionOptions(options, traitsOf(protocol, endpoint));
    const connection: Connection = new Connection(this, {
      place: this.#roster.place(protocol.name, endpoint),
      reconnect,
      pending,
      vitals,
      endsWithFirstFailure,
      dial,
    });
    this.#roster.add(connection);
    return connection;
  }

  tapped<Name extends keyof ConnectionEvents>(connection: Connection, name: Name, event: ConnectionEvents[Name]): void {
    this.#roster.told(connection, name, event);
  }

  failed(_connection: Connection, error: PolywireError): void {
    this.#failed(error);
  }

  /**
   * What dials links to the target, one after the other; the caller's own signal is for the first.
   *
   * @throws PolywireError `unsupported` where there are no links.
   */
  dialStep(
    { protocol, endpoint }: Target,
    { signal: firstSignal, timeoutMs, limits, metadata }: ConnectOptions,
  ): (signal: AbortSignal, mark?: (phase: string) => void) => Promise<Link> {
    const { links } = protocol;
    if (links === undefined) {
      throw new PolywireError("unsupported", `${protocol.name} carries no links: use network.open("${endpoint}")`);
    }
    let first = firstSignal;
    return (signal, mark) => {
      const callerSignal = first;
      first = undefined;
      const run = async (context: DialContext): Promise<Link> => {
        const last: DialStep = async (call) => {
          return checkLink(
            await links.dial(endpoint, { ...context, metadata: call.metadata, signal: call.signal }),
            protocol,
          );
        };
        const step = intercepted("dial", this.#intercepting, last);
        return step({
          endpoint: endpoint.display,
          protocol: protocol.name,
          metadata: new Map(context.metadata),
          signal: context.signal,
        });
      };
      return this.#dialer.dial(
        { endpoint, protocol: protocol.name, run, discard: discardLink, given: signal, ...(mark && { mark }) },
        {
          ...(callerSignal && { signal: callerSignal }),
          ...(timeoutMs !== undefined && { timeoutMs }),
          ...(limits && { limits }),
          ...(metadata && { metadata }),
        },
      );
    };
  }
}

function checkLink(link: Link, { name }: AnyProtocol): Link {
  if (typeof link?.open === "function" && typeof link.send === "function") return link;
  throw new PolywireError("internal", `protocol "${name}" dialled something that is no link: it is broken`);
}
