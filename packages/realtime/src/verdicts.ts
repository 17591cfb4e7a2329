import { isShowable } from "./client-info.ts";
import type {
  Action,
  Authenticated,
  Authorized,
  Capability,
  Denied,
  PublishVerdict,
  ServerSubscription,
} from "./options.ts";

/* Programs in JavaScript answer all sorts of things: here is what counts as a yes. */

const ACTIONS: readonly Action[] = ["subscribe", "publish", "history", "presence"];

export function isAuthenticated(verdict: Authenticated | Denied): verdict is Authenticated {
  if (typeof verdict !== "object" || verdict === null || !("user" in verdict)) return false;
  const { user, connectionInfo, channels = [], subscriptions, ttlMs, capabilities = [] } = verdict;
  if (typeof user !== "string" || !Array.isArray(channels) || !isTtl(ttlMs)) return false;
  if (connectionInfo !== undefined && !isShowable(connectionInfo)) return false;
  if (!Array.isArray(capabilities) || !capabilities.every(isCapability)) return false;
  return (
    subscriptions === undefined || (subscriptions instanceof Map && [...subscriptions.values()].every(isSubscription))
  );
}

export function isAuthorized(verdict: Authorized | Denied): verdict is Authorized {
  if (typeof verdict !== "object" || verdict === null || !("allowed" in verdict)) return false;
  return verdict.allowed === true && isSubscription(verdict);
}

export function isPublishVerdict(verdict: PublishVerdict | Denied): verdict is PublishVerdict {
  if (typeof verdict !== "object" || verdict === null || !("allowed" in verdict)) return false;
  const { data, tags, idempotencyKey } = verdict;
  if (data !== undefined && !(data instanceof Uint8Array)) return false;
  if (idempotencyKey !== undefined && typeof idempotencyKey !== "string") return false;
  return verdict.allowed === true && (tags === undefined || (typeof tags === "object" && tags !== null));
}

function isSubscription(terms: ServerSubscription): boolean {
  if (typeof terms !== "object" || terms === null) return false;
  return isTtl(terms.ttlMs) && (terms.channelInfo === undefined || isShowable(terms.channelInfo));
}

function isCapability(capability: Capability): boolean {
  if (typeof capability !== "object" || capability === null) return false;
  const { channels, allow } = capability;
  const areNames = Array.isArray(channels) && channels.every((name) => typeof name === "string");
  return areNames && Array.isArray(allow) && allow.every((action) => ACTIONS.includes(action));
}

function isTtl(ttlMs: unknown): boolean {
  return ttlMs === undefined || (typeof ttlMs === "number" && !Number.isNaN(ttlMs));
}
