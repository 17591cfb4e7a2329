import type { Clock } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import { ACCEPTED, type Admission, type Peer, type Refused } from "../contract/peer.ts";
import { Cancellation, unlessAborted } from "../wire/cancellation.ts";
import { isForeignPage } from "./origin.ts";

/** Longest wait for a program's own check of a peer. */
const ADMISSION_TIMEOUT_MS = 5_000;

const FOREIGN_PAGE: Refused = { accepted: false, status: 403, reason: "origin not allowed" };

/** How the peers of one listener are judged. */
export interface AdmissionRules {
  /** The program's own check. */
  readonly check: ((peer: Peer) => Admission | Promise<Admission>) | undefined;
  /** Pages of these origins may connect, besides those of the listener's own host. Absent: the check judges alone. */
  readonly origins: ReadonlySet<string> | undefined;
  /** Headers that are kept besides those that the check names. */
  readonly keepHeaders: readonly string[];
  readonly clock: Clock;
  readonly report: (error: PolywireError) => void;
}

/**
 * Judges a peer: first where its page comes from, then by the program's own check. It never throws or rejects: a check
 * that does, or that takes over 5 s, is reported and refuses the peer.
 */
export function admit(peer: Peer, rules: AdmissionRules): Admission | Promise<Admission> {
  const verdict = judge(peer, rules);
  const { keepHeaders } = rules;
  if (keepHeaders.length === 0) return verdict;
  return verdict instanceof Promise
    ? verdict.then((settled) => keeping(settled, keepHeaders))
    : keeping(verdict, keepHeaders);
}

function keeping(verdict: Admission, names: readonly string[]): Admission {
  return verdict.accepted ? { ...verdict, keepHeaders: [...(verdict.keepHeaders ?? []), ...names] } : verdict;
}

function judge(peer: Peer, { check, origins, clock, report }: AdmissionRules): Admission | Promise<Admission> {
  const areOriginsJudged = origins !== undefined || check === undefined;
  if (areOriginsJudged && isForeignPage(peer) && !origins?.has(peer.headers?.get("origin")?.toLowerCase() ?? "")) {
    return FOREIGN_PAGE;
  }
  if (check === undefined) return ACCEPTED;
  const refuse = (thrown: unknown): Admission => {
    report(PolywireError.from(thrown, "internal", "the check of a peer failed, so the peer was refused"));
    return { accepted: false, status: 503, reason: "not available" };
  };
  try {
    const verdict = check(peer);
    return verdict instanceof Promise ? inTime(verdict, clock).catch(refuse) : verdict;
  } catch (thrown) {
    return refuse(thrown);
  }
}

async function inTime(verdict: Promise<Admission>, clock: Clock): Promise<Admission> {
  const cancellation = new Cancellation({ clock, timeoutMs: ADMISSION_TIMEOUT_MS, purpose: "check a peer" });
  try {
    return await unlessAborted(verdict, cancellation.signal);
  } finally {
    cancellation.release();
  }
}
