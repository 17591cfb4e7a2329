import { Cancellation, unlessAborted } from "./cancellation.ts";
import type { Clock } from "./clock.ts";
import { PolywireError } from "./error.ts";
import { ACCEPTED, type Admission, type Peer } from "./peer.ts";

/** Longest wait for a program's own check of a peer. */
const ADMISSION_TIMEOUT_MS = 5_000;

/** A program's own check of a peer. */
export type AdmissionCheck = ((peer: Peer) => Admission | Promise<Admission>) | undefined;

/**
 * Runs the check. It never throws or rejects: a check that does, or that takes over 5 s, is reported and refuses the
 * peer.
 */
export function admit(
  check: AdmissionCheck,
  peer: Peer,
  { clock, report }: { clock: Clock; report: (error: PolywireError) => void },
): Admission | Promise<Admission> {
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
