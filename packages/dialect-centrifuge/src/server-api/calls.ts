import { type Clock, type Logger, PolywireError } from "@polywire/core";
import { checkAnswerSize } from "./answer-size.ts";
import { type ApiError, apiErrorOf, INTERNAL } from "./api-error.ts";
import type { Values } from "./fields.ts";
import type { ApiHub, ApiMethod, ApiPlace, Outcome } from "./method.ts";

/** Plain numbers, from the handler's start on. */
export interface ServerApiStats {
  /** Calls that were carried out, or answered with an error; a batch is one. */
  readonly calls: number;
  /** Of those, with an error of the caller's, and with one of ours. */
  readonly refused: number;
  readonly failed: number;
  /** Requests without a key, or with a wrong one. */
  readonly unauthorized: number;
}

/** Most bytes of one answer, about: some large pages, or all members of large channels. */
const MAX_ANSWER_BYTES = 16_777_216;

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
  readonly #counts = { calls: 0, refused: 0, failed: 0, unauthorized: 0 };

  constructor({ hub, clock, logger }: CallsParts) {
    this.hub = hub;
    this.clock = clock;
    this.#logger = logger;
  }

  get stats(): ServerApiStats {
    return { ...this.#counts };
  }

  /** Never rejects. */
  async carryOut(method: ApiMethod, request: Values): Promise<Outcome> {
    this.#counts.calls++;
    const outcome = await this.outcome(async () => {
      const result = await method.call(request, this);
      checkAnswerSize(result, method.result, MAX_ANSWER_BYTES);
      return result;
    });
    if (outcome.name === "error" && (outcome.value as ApiError).code !== INTERNAL.code) this.#counts.refused++;
    return outcome;
  }

  /** Never rejects. */
  async outcome(call: () => Promise<Values>): Promise<Outcome> {
    try {
      return { name: "result", value: await call() };
    } catch (thrown) {
      const known = apiErrorOf(thrown);
      if (known !== undefined) return { name: "error", value: known };
      this.#counts.failed++;
      this.#logger.log("error", "api", "a call failed", { error: PolywireError.from(thrown) });
      return { name: "error", value: INTERNAL };
    }
  }

  /** Somebody came without a key that is good. */
  unauthorized(path: string | undefined, address: string | undefined): void {
    this.#counts.unauthorized++;
    this.#logger.log("warn", "api", "refused: no valid key", { path, address });
  }
}
