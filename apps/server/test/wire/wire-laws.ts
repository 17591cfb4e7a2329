import { connectionTokenLaws } from "./laws/connection-tokens.ts";
import { deltaLaws } from "./laws/delta.ts";
import { errorLaws } from "./laws/errors.ts";
import { filterLaws } from "./laws/filters.ts";
import { framingLaws } from "./laws/framing.ts";
import { historyLaws } from "./laws/history.ts";
import { overflowLaws } from "./laws/overflow.ts";
import { pingLaws } from "./laws/pings.ts";
import { positioningLaws } from "./laws/positioning.ts";
import { publishingLaws } from "./laws/publishing.ts";
import { rateLaws } from "./laws/rates.ts";
import { recoveryLaws } from "./laws/recovery.ts";
import { sessionLaws } from "./laws/session.ts";
import { slowReaderLaws } from "./laws/slow-reader.ts";
import { subscribingLaws } from "./laws/subscribing.ts";
import { subscriptionTokenLaws } from "./laws/subscription-tokens.ts";
import type { WireLaw } from "./wire-law.ts";

/** What official clients do not notice, and our server keeps. */
export const wireLaws: readonly WireLaw[] = [
  ...sessionLaws,
  ...pingLaws,
  ...subscribingLaws,
  ...recoveryLaws,
  ...positioningLaws,
  ...historyLaws,
  ...publishingLaws,
  ...deltaLaws,
  ...filterLaws,
  ...errorLaws,
  ...framingLaws,
  ...slowReaderLaws,
  ...connectionTokenLaws,
  ...subscriptionTokenLaws,
  ...overflowLaws,
  ...rateLaws,
];
