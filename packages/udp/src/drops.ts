/** Why datagrams were dropped, and how many for each reason. */
export type UdpDrops = { [Reason in DropReason]: number };

export type DropReason = (typeof DROP_REASONS)[number];

const DROP_REASONS = [
  "empty",
  "tooLarge",
  "loop",
  "rateLimited",
  "noListener",
  "refused",
  "notAdmittedYet",
  "full",
  "held",
  "short",
  "badMagic",
  "badVersion",
  "badType",
  "badLength",
  "malformed",
  "badHello",
  "badCookie",
  "expiredCookie",
  "unknownConnection",
  "wrongAddress",
  "badAcknowledgement",
  "tooFarAhead",
  "duplicate",
  "late",
] as const;

export function noDrops(): UdpDrops {
  return Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as UdpDrops;
}
