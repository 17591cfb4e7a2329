export type { ConnectionClaims, SubscriptionClaims } from "./claims.ts";
export { type IssueOptions, issueToken, type SigningKey, type TokenContent } from "./issue.ts";
export type { PreviousKey, TokenKey, TokenOptions } from "./options.ts";
export { Refusal, type TokenProblem } from "./refusal.ts";
export { type KeyProblem, tokenKeyProblem } from "./token-key.ts";
export { type TokenHolder, type TokenKeys, Tokens } from "./tokens.ts";
