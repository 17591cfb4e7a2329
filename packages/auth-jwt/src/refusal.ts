/** What can be wrong with a token. */
export type TokenProblem =
  | "too-large"
  | "malformed"
  | "wrong-algorithm"
  | "unknown-key"
  | "bad-signature"
  | "expired"
  | "not-yet-valid"
  | "issued-in-future"
  | "no-expiry"
  | "wrong-audience"
  | "wrong-issuer"
  | "bad-claims"
  | "wrong-kind"
  | "wrong-channel"
  | "wrong-user"
  | "keys-unavailable";

/** A token that was not accepted. It never holds anything of the token. */
export class Refusal {
  readonly problem: TokenProblem;
  /** For operators; clients are told a code alone. */
  readonly message: string;

  constructor(problem: TokenProblem, message: string) {
    this.problem = problem;
    this.message = message;
  }
}
