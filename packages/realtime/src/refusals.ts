import type { MetricFamily } from "@polywire/core";
import { type ClientError, DISCONNECTS, type Disconnect, ERRORS } from "./codes.ts";
import type { Journal } from "./journal.ts";

/** What a client wanted: to connect, to stay connected, or something with a channel or a procedure. */
export type RefusedAction = "connect" | "session" | "subscribe" | "publish" | "presence" | "history" | "call";

/** Who was refused. */
export interface Refused {
  readonly client: string;
  readonly user: string;
  readonly address: string | undefined;
  readonly channel?: string | undefined;
}

/** Errors that say no to this client, rather than that something does not work, is not there or is so already. */
const REFUSING_ERRORS = new Map(
  [
    ERRORS.unauthorized,
    ERRORS.unknownChannel,
    ERRORS.permissionDenied,
    ERRORS.limitExceeded,
    ERRORS.badRequest,
    ERRORS.tokenExpired,
    ERRORS.expired,
    ERRORS.tooManyRequests,
  ].map(({ code, message }) => [code, message]),
);

const REFUSING_ENDS = new Map(
  [
    DISCONNECTS.tooManyRequests,
    DISCONNECTS.connectionExpired,
    DISCONNECTS.subscriptionExpired,
    DISCONNECTS.invalidToken,
    DISCONNECTS.badRequest,
    DISCONNECTS.stale,
    DISCONNECTS.forceDisconnect,
    DISCONNECTS.connectionLimit,
    DISCONNECTS.channelLimit,
    DISCONNECTS.inappropriateProtocol,
    DISCONNECTS.permissionDenied,
    DISCONNECTS.notAvailable,
    DISCONNECTS.tooManyErrors,
  ].map(({ code, reason }) => [code, reason]),
);

/** Errors and ends with codes from these on are the program's own. */
const FIRST_PROGRAM_ERROR = 400;
const FIRST_PROGRAM_END = 4_000;

/** What a program's own no is counted as: its words may be any number of different ones. */
const BY_PROGRAM = "program";

/** Who was refused and why: each a line of the log's component `audit`, and a number. */
export class Refusals {
  readonly #journal: Journal;
  readonly #counts = new Map<RefusedAction, Map<string, number>>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** A command was answered with an error. */
  answered(action: RefusedAction, who: Refused, { code }: ClientError): void {
    const reason = REFUSING_ERRORS.get(code) ?? (code >= FIRST_PROGRAM_ERROR ? BY_PROGRAM : undefined);
    if (reason !== undefined) this.#note(action, who, { reason, code });
  }

  /** A session was ended by the hub. */
  ended(action: "connect" | "session", who: Refused, { code }: Disconnect): void {
    const reason = REFUSING_ENDS.get(code) ?? (code >= FIRST_PROGRAM_END ? BY_PROGRAM : undefined);
    if (reason !== undefined) this.#note(action, who, { reason, code });
  }

  families(): MetricFamily[] {
    const points = Array.from(this.#counts, ([action, reasons]) =>
      Array.from(reasons, ([reason, value]) => ({
        attributes: { "polywire.refusal.action": action, "polywire.refusal.reason": reason },
        value,
      })),
    ).flat();
    return [
      {
        name: "polywire.hub.refusals",
        description: "What clients wanted and were refused, and why.",
        unit: "{refusal}",
        kind: "counter",
        points,
      },
    ];
  }

  #note(
    action: RefusedAction,
    who: Refused,
    { reason, code }: { readonly reason: string; readonly code: number },
  ): void {
    let reasons = this.#counts.get(action);
    if (reasons === undefined) {
      reasons = new Map();
      this.#counts.set(action, reasons);
    }
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    const { client, user, address, channel } = who;
    this.#journal.audit(`${action} refused: ${reason}`, { code, client, user, address, channel });
  }
}
