import type { Clock, Random } from "@polywire/core";
import type { Broker } from "./broker.ts";
import type { ChannelRules } from "./channel-rules.ts";
import type { Channels } from "./channels.ts";
import type { Counters } from "./counters.ts";
import type { HubSettings } from "./hub-settings.ts";
import type { CreateId } from "./identity.ts";
import type { Journal } from "./journal.ts";
import type { OutboundBudget } from "./outbound-budget.ts";
import type { PublishGate } from "./publish-gate.ts";
import type { Refusals } from "./refusals.ts";
import type { Sessions } from "./sessions.ts";
import type { SystemChannels } from "./system-channels.ts";
import type { TimerWheel } from "./timer-wheel.ts";

/** What the sessions and channels of one hub share. */
export interface HubParts {
  /** Replaced as a whole, never changed. */
  settings: HubSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Broker;
  rules: ChannelRules;
  readonly channels: Channels;
  readonly sessions: Sessions;
  readonly publishGate: PublishGate;
  readonly outbound: OutboundBudget;
  readonly wheel: TimerWheel;
  readonly counters: Counters;
  readonly journal: Journal;
  readonly refusals: Refusals;
  readonly system: SystemChannels;
  readonly createId: CreateId;
}
