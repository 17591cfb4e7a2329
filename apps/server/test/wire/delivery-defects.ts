import { type Draft, EVENT_FORM, type HubOptions, type OverflowPolicy } from "@polywire/realtime";
import { between, over, type PlantedDefect, publicationsChanged, resultsChanged, streamsChanged } from "./planting.ts";

/** What can be wrong with what clients are told unasked. */
export const deliveryDefects: readonly PlantedDefect[] = [
  {
    does: "sends no pings",
    breaks: "pings come one interval apart, and a client that answers each of them stays",
    host: between(({ session }) => ({ outlet: { ping: () => session.pong() } })),
  },
  {
    does: "bounds no queue",
    breaks: "a client that stops reading is cut with 3008 at the queue's limit, while the others miss nothing",
    options: (options) => ({ ...options, limits: { ...options.limits, outboundBytesPerSession: 2 ** 40 } }),
  },
  {
    does: "keeps no positions where there is no history",
    breaks: "a channel with positioning keeps no history, and ends with 2500 the subscription of who missed something",
    options: (options) => ({
      ...options,
      channels: (options.channels ?? []).map(({ positioning: _, ...rule }) => rule),
    }),
  },
  {
    does: "keeps a history where there should be positions alone",
    breaks: "a channel with positioning keeps no history, and ends with 2500 the subscription of who missed something",
    options: (options) => ({
      ...options,
      channels: (options.channels ?? []).map((rule) =>
        rule.positioning === true ? { ...rule, history: { size: 10, ttlMs: 60_000 }, read: "clients" as const } : rule,
      ),
    }),
  },
  {
    does: "cuts whoever is behind, whatever the rule says",
    breaks: "where the oldest are dropped, a client that stops reading stays, and is told the newest when it reads on",
    options: overflowing("disconnect"),
  },
  {
    does: "drops the newest where it should drop the oldest",
    breaks: "where the oldest are dropped, a client that stops reading stays, and is told the newest when it reads on",
    options: overflowing("drop-newest"),
  },
  {
    does: "drops the oldest where it should drop the newest",
    breaks:
      "where the newest are dropped, a client that stops reading stays, and is told the oldest and what comes later",
    options: overflowing("drop-oldest"),
  },
  {
    does: "keeps the latest of the channel alone",
    breaks:
      "where the latest are kept, a client that stops reading stays, and is told the latest of each key when it reads on",
    options: overflowing("keep-latest"),
  },
  {
    does: "does not say when a client has caught up",
    breaks:
      "where the latest are kept, a client that stops reading stays, and is told the latest of each key when it reads on",
    host: between(() => ({ session: { drained() {} } })),
  },
  {
    does: "delivers past a gap",
    breaks: "a gap before a publication ends the subscription with 2500, and recovering fills it",
    broker: (broker) =>
      over(broker, {
        // The offsets are made to follow one another for whoever looks at them.
        start(events) {
          let told = 0;
          broker.start(
            over(events, {
              publication: (channel, publication, epoch) =>
                events.publication(channel, { ...publication, offset: ++told }, epoch),
            }),
          );
        },
      }),
  },
  {
    does: "leaves out every third publication",
    breaks: "publications are told with their offsets, the first of a stream with its epoch",
    host: publicationsChanged((event, outlet) =>
      event.kind === "publication" && (event.publication.offset ?? 0) % 3 === 0 ? "sent" : outlet.event(event),
    ),
  },
  {
    does: "delivers twice",
    breaks: "a publication that the broker tells twice is told once",
    host: publicationsChanged((event, outlet) => {
      outlet.event(event);
      return outlet.event(event);
    }),
  },
  {
    does: "does not look for lost publications",
    breaks:
      "a lost publication is noticed without further traffic: 2500 for a client's subscription, 3010 for the server's",
    broker: streamsChanged((broker) => ({
      history(channel, request, done) {
        broker.streams.history(channel, request, (error, page) => {
          const isCheck = request.limit === 0 && request.maxBytes === 0;
          done(error, isCheck && page !== undefined ? { ...page, position: { ...page.position, offset: 0 } } : page);
        });
      },
    })),
  },
  {
    does: "keeps a session whose subscription by the server has a gap",
    breaks: "a gap in a subscription that the server made ends the session with 3010",
    host: between(({ outlet }) => ({
      outlet: {
        disconnect: (disconnect, discard) =>
          disconnect.code === 3010
            ? outlet.unsubscribed("news", { code: 2500, reason: "insufficient state" })
            : outlet.disconnect(disconnect, discard),
      },
    })),
  },
  {
    does: "loses what is published while a client subscribes",
    breaks: "publishing and subscribing at once leaves no gap, no repeat and no disorder",
    host: between(({ session, outlet }) => {
      let isSubscribing = false;
      return {
        session: {
          subscribe(request, answer) {
            isSubscribing = true;
            session.subscribe(request, (error, result) => {
              answer(error, result);
              queueMicrotask(() => {
                isSubscribing = false;
              });
            });
          },
        },
        outlet: { event: (event) => (isSubscribing ? "sent" : outlet.event(event)) },
      };
    }),
  },
  {
    does: "repeats what is published while a client subscribes",
    breaks: "publishing and subscribing at once leaves no gap, no repeat and no disorder",
    host: between(({ session, outlet }) => ({
      session: {
        subscribe(request, answer) {
          session.subscribe(request, (error, result) => {
            answer(error, result);
            for (const publication of result?.publications ?? [])
              outlet.event({ kind: "publication", channel: request.channel, publication });
          });
        },
      },
    })),
  },
  {
    does: "answers a subscribe after the first publication",
    breaks: "a subscription is told before anything of its channel",
    host: between(({ session }) => ({
      session: {
        subscribe(request, answer) {
          session.subscribe(request, (error, result) => {
            setImmediate(() => {
              if (!session.isClosed) answer(error, result);
            });
          });
        },
      },
    })),
  },
  {
    does: "tells a client of its own join before it answers the subscribe",
    breaks: "who joins is told of it by a join after the subscribe's reply, and the others are told too",
    host: between(({ session, outlet }) => ({
      session: {
        subscribe(request, answer) {
          const { channel } = request;
          session.subscribe(request, (error, result) => {
            outlet.event({ kind: "join", channel, info: { client: session.id, user: "" } });
            answer(error, result);
          });
        },
      },
      outlet: {
        event: (event) => (event.kind === "join" && event.info.client === session.id ? "sent" : outlet.event(event)),
      },
    })),
  },
  {
    does: "tells leaves before joins",
    breaks: "a leave comes after its join, and once, however quickly a client goes",
    broker: streamsChanged((broker) => ({
      membership(channel, kind, info, done) {
        broker.streams.membership(channel, kind === "join" ? "leave" : "join", info, done);
      },
    })),
  },
  {
    does: "keeps in presence who has gone",
    breaks: "presence tells who is there by the server's word, and nobody who has gone",
    broker: (broker) =>
      over(broker, {
        presence: over(broker.presence, { remove: (_channel, _client, done) => done(undefined, undefined) }),
      }),
  },
  {
    does: "goes on telling whom it has unsubscribed",
    breaks: "after an unsubscribe's reply nothing of the channel comes",
    host: between(() => ({ session: { unsubscribe: (_channel, answer) => answer(undefined, undefined) } })),
  },
  {
    does: "lets publishers say who they are",
    breaks: "nobody is who it claims to be: the server says who published",
    broker: streamsChanged((broker) => ({
      publish(channel, draft, stream, done) {
        broker.streams.publish(channel, claiming(draft), stream, done);
      },
    })),
  },
  {
    does: "tells a patch to whom has not the publication before",
    breaks: "who asks for deltas is told what changed, never from what it was not told; the others are told everything",
    host: between(({ outlet }) => ({
      outlet: { event: (event, form = 0) => outlet.event(event, form === 0 ? form : form | EVENT_FORM.patch) },
    })),
  },
  {
    does: "tells everybody patches",
    breaks: "who asks for deltas is told what changed, never from what it was not told; the others are told everything",
    host: between(({ outlet }) => ({
      outlet: { event: (event) => outlet.event(event, EVENT_FORM.delta | EVENT_FORM.patch) },
    })),
  },
  {
    does: "promises deltas where there are none",
    breaks: "deltas are granted where the channel has them, and no others are known",
    host: resultsChanged((result) => ({ ...result, isDelta: true })),
  },
  {
    does: "tells everybody numbers",
    breaks: "who knows numbers is told the channel's number in its events, and who does not its name",
    host: between(({ outlet }) => ({ outlet: { event: (event) => outlet.event(event, EVENT_FORM.compact) } })),
  },
  {
    does: "gives a number and goes on with the name",
    breaks: "who knows numbers is told the channel's number in its events, and who does not its name",
    host: between(({ outlet }) => ({ outlet: { event: (event) => outlet.event(event) } })),
  },
  {
    does: "gives no reasons of its own for an end",
    breaks: "a client is told the very code and reason that the program gives for its end",
    host: between(({ outlet }) => ({
      outlet: { disconnect: (_disconnect, discard) => outlet.disconnect({ code: 3000, reason: "" }, discard) },
    })),
  },
  {
    does: "sends bytes to JSON clients as if they were JSON",
    breaks: "bytes reach a JSON client as base64 with a tag that says so, and a Protobuf client as they are",
    host: publicationsChanged((event, outlet) =>
      event.kind === "publication"
        ? outlet.event({ ...event, publication: { ...event.publication, format: "json" } })
        : outlet.event(event),
    ),
  },
];

/** The options of a server all of whose channels that drop something follow one policy, and know no keys. */
function overflowing(overflow: OverflowPolicy): (options: HubOptions) => HubOptions {
  return (options) => ({
    ...options,
    channels: (options.channels ?? []).map(({ overflowKey: _, ...rule }) =>
      rule.overflow === undefined ? rule : { ...rule, overflow },
    ),
  });
}

/** The draft of a server that believes what a client's data say of who sent them. */
function claiming(draft: Draft): Draft {
  const { info } = JSON.parse(new TextDecoder().decode(draft.data)) as { readonly info?: { readonly user: string } };
  if (info === undefined || draft.info === undefined) return draft;
  return { ...draft, info: { ...draft.info, user: info.user } };
}
