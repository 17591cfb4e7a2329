import type { ClientInfo, DataFormat } from "@polywire/core";
import type { Done } from "./broker.ts";

/** All sessions of a user (`"42"`, or `""` for everybody anonymous), or one session. */
export type Target = string | { readonly client: string; readonly user?: string };

export interface PublishOptions {
  /** What the data are; by default JSON, or bytes as the channel has them. */
  readonly format?: DataFormat;
  /** Names and values that go with the publication; 4 KiB at most. */
  readonly tags?: Readonly<Record<string, string>>;
  /** A second publish with the same key within five minutes is answered with the first one's receipt and not told. */
  readonly idempotencyKey?: string;
  /** Tells those who are subscribed now, without keeping it for others. */
  readonly skipHistory?: boolean;
  /** Published in the name of this client. */
  readonly info?: ClientInfo;
}

/** What the broker's callback gets, as a promise. */
export function answerOf<Result>(call: (done: Done<Result>) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error === undefined) resolve(result as Result);
      else reject(error);
    });
  });
}

export function addressOf(target: Target): { readonly user?: string; readonly client?: string } {
  return typeof target === "string" ? { user: target } : target;
}
