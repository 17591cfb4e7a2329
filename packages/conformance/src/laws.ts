import { parseEndpoint } from "@polywire/core";
import { bindLaw, type Law, type LawDefinition } from "./law.ts";
import { abilityLaws } from "./laws/abilities.ts";
import { admissionLaws } from "./laws/admission.ts";
import { closingLaws } from "./laws/closing.ts";
import { datagramLaws } from "./laws/datagrams.ts";
import { dialingLaws } from "./laws/dialing.ts";
import { duplexLaws } from "./laws/duplex.ts";
import { exchangeLaws } from "./laws/exchanges.ts";
import { limitLaws } from "./laws/limits.ts";
import { messageLaws } from "./laws/messages.ts";
import { mistakeLaws } from "./laws/mistakes.ts";
import { preparedLaws } from "./laws/prepared.ts";
import { remainsLaws } from "./laws/remains.ts";
import { sharingLaws } from "./laws/sharing.ts";
import { streamLaws } from "./laws/streams.ts";
import { trustLaws } from "./laws/trust.ts";
import type { Subject } from "./subject.ts";

const ALL: readonly LawDefinition[] = [
  ...messageLaws,
  ...datagramLaws,
  ...closingLaws,
  ...limitLaws,
  ...dialingLaws,
  ...admissionLaws,
  ...trustLaws,
  ...mistakeLaws,
  ...abilityLaws,
  ...sharingLaws,
  ...preparedLaws,
  ...remainsLaws,
  ...exchangeLaws,
  ...duplexLaws,
  ...streamLaws,
];

/**
 * The laws that the subject has to keep, chosen by what its protocol carries and by the traits it claims: a claimed
 * trait is a law. Run them one at a time, in any order, with any test runner.
 */
export function laws(subject: Subject): readonly Law[] {
  const protocol = subject.protocol();
  const traits = protocol.traits(parseEndpoint(subject.url, subject.dialOptions));
  return ALL.filter(({ about, appliesTo }) => {
    const isCarried = (about === "links" ? protocol.links : protocol.exchanges)?.listen !== undefined;
    return isCarried && (appliesTo?.(traits, subject) ?? true);
  }).map((definition) => bindLaw(definition, subject));
}
