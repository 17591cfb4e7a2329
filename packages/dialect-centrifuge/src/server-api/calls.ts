import { type Clock, type Logger, type MetricFamily, PolywireError } from "@polywire/core";
import { checkAnswerSize } from "./answer-size.ts";
import { type ApiError, apiErrorOf, INTERNAL } from "./api-error.ts";
import { CallCounts, type ServerApiStats } from "./call-counts.ts";
import type { Values } from "./fields.ts";
import type { ApiHub, ApiMethod, ApiPlace, Outcome } from "./method.ts";

/** Most bytes of one answer, about: some large pages, or all members of large channels. */
const MAX_ANSWER_BYTES = 16_777_216;

/** Longest text of a peer's that is logged. */
const LOGGED_CHARACTERS = 256;

export interface CallsParts {
  readonly hub: ApiHub;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Carries calls out, whatever wire they came over, and counts them. */
export class Calls implements ApiPlace {
  readonly hub: ApiHub;
  readonly clock: Clock;
  readonly #logger: Logger;
  readonly #counts = new CallCounts();

  constructor({ hub, clock, logger }: CallsParts) {
    this.hub = hub;
    this.clock = clock;
    this.#logger = logger;
  }

  get stats(): ServerApiStats {
    return this.#counts.stats;
  }

  metrics(): readonly MetricFamily[] {
    return this.#counts.families();
  }

  /** Never rejects. */
  async carryOut(method: ApiMethod, request: Values): Promise<Outcome> {
    const outcome = await this.outcome(async () => {
      const result = await method.call(request, this);
      checkAnswerSize(result, method.result, MAX_ANSWER_BYTES);
      return result;
    });
    this.#counts.called(method.name, outcome.name === "error" ? (outcome.value as ApiError).code : undefined);
    return outcome;
  }

  /** Never rejects. */
  async outcome(call: () => Promise<Values>): Promise<Outcome> {
    try {
      return { name: "result", value: await call() };
    } catch (thrown) {
      const known = apiErrorOf(thrown);
      if (known !== undefined) return { name: "error", value: known };
      this.#logger.log("error", "api", "a call failed", { error: PolywireError.from(thrown) });
      return { name: "error", value: INTERNAL };
    }
  }

  /** Somebody came without a key that is good. */
  unauthorized(path: string | undefined, address: string | undefined): void {
    this.#counts.unauthorized();
    this.#logger.log("warn", "api", "refused: no valid key", { path: path?.slice(0, LOGGED_CHARACTERS), address });
  }
}
