import type { Receipt } from "@polywire/core";
import type { PublishOptions } from "@polywire/realtime";
import { ERROR_FIELD } from "./api-error.ts";
import {
  anyText,
  choice,
  count,
  data,
  type Fields,
  flag,
  list,
  map,
  object,
  required,
  text,
  type ValuesOf,
} from "./fields.ts";
import { type ApiMethod, type ApiPlace, method, wrongField } from "./method.ts";

/** Most characters of an idempotency key, and of a version's epoch. */
const MAX_CHARACTERS = 256;

/** What is published, wherever it goes. */
const PUBLICATION = {
  data: required(data("what is published")),
  skip_history: flag("tells those who are subscribed now, without keeping it for others"),
  tags: map(anyText("a value"), "names and values that go with it, 4 KiB at most"),
  idempotency_key: text(
    "1 to 256 characters; a second publish to a channel with the same key within five minutes has the first one's result and is not told",
  ),
  delta: flag("taken and passed over: patches are made where the channel's rule has delta"),
  version: count(
    "the version of the document that the data are; one that is not above the last is neither kept nor told",
  ),
  version_epoch: text("where versions begin anew"),
} satisfies Fields;

const POSITION = {
  offset: count("its place in the channel's stream, where the channel keeps a history"),
  epoch: text("the stream that offsets count in"),
} satisfies Fields;

export const publish: ApiMethod = method({
  name: "publish",
  summary: "Publishes to a channel.",
  request: { channel: required(text("where to publish")), ...PUBLICATION },
  result: POSITION,
  run: async ({ channel, ...publication }, place) => await publishTo(channel, publication, place),
});

export const broadcast: ApiMethod = method({
  name: "broadcast",
  summary: "Publishes the same to several channels.",
  request: { channels: required(list(text("a channel"), "where to publish, 1,024 at most")), ...PUBLICATION },
  result: {
    responses: required(
      list(
        choice({ result: object(POSITION, "it was published"), error: ERROR_FIELD }, "how it went"),
        "one for each channel, in their order",
      ),
    ),
  },
  run: async ({ channels, ...publication }, place) => {
    if (channels.length === 0) throw wrongField("channels", "give at least one");
    const outcomes = channels.map((channel) => place.outcome(() => publishTo(channel, publication, place)));
    return { responses: await Promise.all(outcomes) };
  },
});

async function publishTo(
  channel: string,
  publication: ValuesOf<typeof PUBLICATION>,
  { hub }: ApiPlace,
): Promise<ValuesOf<typeof POSITION>> {
  const { bytes, format } = publication.data;
  const options = optionsOf(publication);
  const { position }: Receipt = await hub.publish(
    channel,
    bytes,
    format === undefined ? options : { ...options, format },
  );
  return { offset: position?.offset, epoch: position?.epoch };
}

function optionsOf(publication: ValuesOf<typeof PUBLICATION>): PublishOptions {
  const { skip_history: skipHistory = false, tags, idempotency_key: idempotencyKey } = publication;
  const { version = 0, version_epoch: epoch = "" } = publication;
  if (epoch !== "" && version === 0) throw wrongField("version_epoch", "goes with version");
  checkLength("version_epoch", epoch);
  checkLength("idempotency_key", idempotencyKey ?? "");
  return {
    skipHistory,
    ...(tags === undefined ? {} : { tags: Object.fromEntries(tags) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(version === 0 ? {} : { version: { number: version, epoch } }),
  };
}

function checkLength(name: string, text: string): void {
  if (text.length > MAX_CHARACTERS)
    throw wrongField(name, `has ${text.length} characters: give ${MAX_CHARACTERS} at most`);
}
