import { PolywireError } from "../contract/error.ts";
import type { SendResult, Traits } from "../contract/link.ts";
import type { Payload } from "../contract/payload.ts";
import type { OwnCheck, PayloadCheck } from "./options.ts";

/** What a check of a link can do. */
export interface LinkAsker {
  /** @throws PolywireError where there is no ping, or no room for one more. */
  ping(answered: (roundTripMs: number | undefined) => void): void;
  /** Sends past the interceptors. */
  transmit(payload: Payload): SendResult;
  /** Each message is shown to the function instead of delivered, as long as it does not say that it is the one. */
  expect(isExpected: ((payload: Payload) => boolean) | undefined): void;
  /** One more dial of the endpoint, given up at once. */
  tryDial(signal: AbortSignal): Promise<void>;
}

export type LinkCheckKind = "ping" | "payload" | "dial" | "own";

/** How the peer of a link with these traits is asked; undefined: not at all. */
export function linkCheckKind(
  check: PayloadCheck | "dial" | OwnCheck | undefined,
  traits: Traits | undefined,
): LinkCheckKind | undefined {
  if (check === undefined) return traits === undefined || traits.ping === "none" ? undefined : "ping";
  if (check === "dial") return "dial";
  return typeof check === "function" ? "own" : "payload";
}

/** Asks the peer. Rejects, or throws, with what is wrong. */
export function runLinkCheck(
  check: PayloadCheck | "dial" | OwnCheck | undefined,
  asker: LinkAsker,
  signal: AbortSignal,
): void | Promise<void> {
  if (check === undefined) return pingOnce(asker);
  if (check === "dial") return asker.tryDial(signal);
  return typeof check === "function" ? check(signal) : askWithPayload(check, asker);
}

function pingOnce(asker: LinkAsker): Promise<void> {
  return new Promise((resolve, reject) => {
    asker.ping((roundTripMs) => {
      if (roundTripMs !== undefined) resolve();
      else reject(new PolywireError("timed-out", "no answer to a ping"));
    });
  });
}

/** An answer that comes too late is expected until the next check, so that the program does not get it either. */
function askWithPayload({ send, expect }: PayloadCheck, asker: LinkAsker): Promise<void> {
  const isExpected = typeof expect === "function" ? expect : (payload: Payload) => isEqual(payload, expect);
  return new Promise((resolve, reject) => {
    asker.expect((payload) => {
      try {
        if (!isExpected(payload)) return false;
      } catch (thrown) {
        asker.expect(undefined);
        reject(PolywireError.from(thrown, "internal", "health.check.expect threw"));
        return false;
      }
      asker.expect(undefined);
      resolve();
      return true;
    });
    if (asker.transmit(send) !== "refused") return;
    asker.expect(undefined);
    reject(
      new PolywireError("limit-reached", "the link refused the payload of a health check: too much waits for the peer"),
    );
  });
}

function isEqual(one: Payload, other: Payload): boolean {
  if (typeof one === "string" || typeof other === "string") return textOf(one) === textOf(other);
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

const UTF8 = new TextDecoder();

/** A wire without text delivers bytes, whatever was sent. */
function textOf(payload: Payload): string {
  return typeof payload === "string" ? payload : UTF8.decode(payload);
}
