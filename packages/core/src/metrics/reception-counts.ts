import type { Admission, Refused } from "../contract/peer.ts";
import type { TurnedAway } from "../contract/protocol.ts";
import type { MetricFamily } from "./family.ts";
import { Tally } from "./tally.ts";

/** Which status a check may give is the program's: any that is none counts as this. */
const NO_STATUS = "500";

function statusOf({ status }: Refused): string {
  return Number.isInteger(status) && status >= 400 && status <= 599 ? String(status) : NO_STATUS;
}

/** Who came to the listeners of a network: the peers that were refused, and the requests. */
export class ReceptionCounts {
  readonly #refused = new Tally();
  readonly #requests = new Tally();
  readonly #turnedAway = new Tally();

  /** Hands the verdict on, counted when it is there. It never rejects. */
  judged(protocol: string, verdict: Admission | Promise<Admission>): Admission | Promise<Admission> {
    if (verdict instanceof Promise) return verdict.then((admission) => this.#judged(protocol, admission));
    return this.#judged(protocol, verdict);
  }

  requested(protocol: string): void {
    this.#requests.add(protocol);
  }

  turnedAway(protocol: string, cause: TurnedAway): void {
    this.#turnedAway.add(protocol, cause);
  }

  families(): MetricFamily[] {
    return [
      {
        name: "polywire.admission.refusals",
        description: "Peers that were refused before their handshake ended.",
        unit: "{peer}",
        kind: "counter",
        points: this.#refused.points((protocol, status) => ({
          "network.protocol.name": protocol,
          "http.response.status_code": Number(status),
        })),
      },
      {
        name: "polywire.listener.turned_away",
        description:
          "Peers that were turned away without being judged: too many at once, too slow, or speaking something else.",
        unit: "{peer}",
        kind: "counter",
        points: this.#turnedAway.points((protocol, cause) => ({
          "network.protocol.name": protocol,
          "polywire.turned_away.cause": cause,
        })),
      },
      {
        name: "polywire.exchange.server.requests",
        description: "Requests that were handed to a handler.",
        unit: "{request}",
        kind: "counter",
        points: this.#requests.points((protocol) => ({ "network.protocol.name": protocol })),
      },
    ];
  }

  #judged(protocol: string, admission: Admission): Admission {
    // What a check answers is the program's: it may be anything.
    if (admission?.accepted === false) this.#refused.add(protocol, statusOf(admission));
    return admission;
  }
}
