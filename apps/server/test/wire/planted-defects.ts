import type {
  Broker,
  ChannelEvent,
  ClientSession,
  Draft,
  Origin,
  Outlet,
  SessionHost,
  SubscribeResult,
} from "@polywire/realtime";
import type { Defect } from "./wire-server.ts";

/** A defect, and the law that it breaks. */
export interface PlantedDefect extends Defect {
  /** What a server with it does, after "a server that". */
  readonly does: string;
  readonly breaks: string;
}

/** What stands between hub and dialect for one client. Whatever a defect does not override goes straight through. */
interface Between {
  /** The hub's session, as the dialect sees it. */
  readonly session: ClientSession;
  /** The dialect's outlet. */
  readonly outlet: Outlet;
}

/** Passes everything on but what is overridden; getters and private state stay with the original. */
function over<Part extends object>(part: Part, overrides: Partial<Part>): Part {
  return new Proxy(part, {
    get(target, name) {
      if (Object.hasOwn(overrides, name)) return Reflect.get(overrides, name) as unknown;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

interface Overrides {
  readonly session?: Partial<ClientSession>;
  readonly outlet?: Partial<Outlet>;
}

/** A host whose sessions have something between them and their dialect. */
function between(override: (between: Between) => Overrides): NonNullable<Defect["host"]> {
  return function withDefect(hub: SessionHost): SessionHost {
    return over(hub, {
      openSession(outlet: Outlet, origin: Origin): ClientSession {
        // The hub calls the outlet only after `openSession` has returned, unless it ends the session at once.
        let session: ClientSession | undefined;
        let changes: Overrides | undefined;
        const changed = (): Overrides => {
          changes ??= session === undefined ? {} : override({ session, outlet });
          return changes;
        };
        const relay = new Proxy(outlet, {
          get: (target, name) => Reflect.get(over(target, session === undefined ? {} : (changed().outlet ?? {})), name),
        });
        session = hub.openSession(relay, origin);
        return over(session, changed().session ?? {});
      },
    });
  };
}

/** A host whose subscribe results are tampered with. */
function resultsChanged(change: (result: SubscribeResult) => SubscribeResult): NonNullable<Defect["host"]> {
  return between(({ session }) => ({
    session: {
      subscribe(request, answer) {
        session.subscribe(request, (error, result) => answer(error, result && change(result)));
      },
    },
  }));
}

/** A host whose publications to clients are tampered with. */
function publicationsChanged(
  tell: (event: ChannelEvent, outlet: Outlet) => ReturnType<Outlet["event"]>,
): NonNullable<Defect["host"]> {
  return between(({ outlet }) => ({
    outlet: { event: (event) => (event.kind === "publication" ? tell(event, outlet) : outlet.event(event)) },
  }));
}

function streamsChanged(change: (broker: Broker) => Partial<Broker["streams"]>): NonNullable<Defect["broker"]> {
  return (broker) => over(broker, { streams: over(broker.streams, change(broker)) });
}

const tolerant = (tolerated: (session: ClientSession) => boolean): NonNullable<Defect["host"]> =>
  between(({ session }) => ({
    session: {
      disconnect(disconnect) {
        if (!tolerated(session)) session.disconnect(disconnect);
      },
    },
  }));

export const plantedDefects: readonly PlantedDefect[] = [
  {
    does: "takes commands before connect",
    breaks: "a command before connect ends the session with 3501, and is not answered",
    host: tolerant(() => true),
  },
  {
    does: "ends nobody who breaks the protocol",
    breaks: "whatever breaks the protocol ends the session with 3501, and is not answered",
    host: tolerant(() => true),
  },
  {
    does: "ends nobody whose frames cannot be read",
    breaks: "a malformed frame ends the session with 3501, before and after connect, and harms nobody else",
    host: tolerant(() => true),
  },
  {
    does: "sends no pings",
    breaks: "pings come one interval apart, and a client that answers each of them stays",
    host: between(({ session }) => ({ outlet: { ping: () => session.pong() } })),
  },
  {
    does: "tolerates a missing pong",
    breaks: "a client that leaves a ping unanswered is ended with 3012 when its time is up, not before",
    host: between(({ session, outlet }) => {
      let pings = 0;
      return {
        outlet: {
          ping() {
            pings++;
            outlet.ping();
            session.pong();
          },
        },
        session: {
          pong() {
            if (pings === 0) session.pong();
            else pings--;
          },
        },
      };
    }),
  },
  {
    does: "tolerates a stray pong",
    breaks: "a pong that no ping asked for ends the session with 3501",
    host: between(({ session, outlet }) => {
      let pings = 0;
      return {
        outlet: {
          ping() {
            pings++;
            outlet.ping();
          },
        },
        session: {
          pong() {
            if (pings > 0) session.pong();
            pings = 0;
          },
        },
      };
    }),
  },
  {
    does: "never gives up on a client that does not connect",
    breaks: "a client that does not connect within 10 s is ended with 3502, not before",
    options: (options) => ({ ...options, limits: { ...options.limits, connectTimeoutMs: 3_600_000 } }),
  },
  {
    does: "ignores the epoch when it recovers",
    breaks: "a position of another stream is never called recovered: not after a restart",
    host: between(({ session }) => ({
      session: {
        subscribe(request, answer) {
          session.subscribe({ ...request, since: { ...request.since, epoch: "" } }, answer);
        },
      },
    })),
  },
  {
    does: "ignores the epoch of a stream that began anew",
    breaks: "a stream that nobody used for its meta time begins anew, with another epoch",
    host: between(({ session }) => ({
      session: {
        history({ since, ...command }, answer) {
          session.history(since === undefined ? command : { ...command, since: { ...since, epoch: "" } }, answer);
        },
      },
    })),
  },
  {
    does: "says recovered where it is not",
    breaks: "who comes back is given exactly what was missed, or told that it is not to be had",
    host: resultsChanged((result) => ({ ...result, isRecovered: result.wasRecovering })),
  },
  {
    does: "recovers all but the last",
    breaks: "who comes back is given exactly what was missed, or told that it is not to be had",
    host: resultsChanged((result) => ({ ...result, publications: result.publications.slice(0, -1) })),
  },
  {
    does: "subscribes whom it should refuse with 112",
    breaks: "who comes back is given exactly what was missed, or told that it is not to be had",
    host: between(({ session }) => ({
      session: {
        subscribe: (request, answer) => session.subscribe({ ...request, rejectUnrecovered: false }, answer),
      },
    })),
  },
  {
    does: "lets a client subscribe twice",
    breaks: "a channel that is subscribed or about to be is answered 105 and changes nothing",
    host: between(({ session }) => ({
      session: {
        subscribe(request, answer) {
          session.subscribe(request, (error, result) => {
            if (error?.code !== 105) return answer(error, result);
            answer(undefined, {
              isRecoverable: false,
              isPositioned: false,
              isRecovered: false,
              wasRecovering: false,
              publications: [],
            });
          });
        },
      },
    })),
  },
  {
    does: "bounds no queue",
    breaks: "a client that stops reading is cut with 3008 at the queue's limit, while the others miss nothing",
    options: (options) => ({ ...options, limits: { ...options.limits, outboundBytesPerSession: 2 ** 40 } }),
  },
  {
    does: "never says that an error is temporary",
    breaks: "every error says what the protocol's table says, and whether trying again may help",
    host: between(({ session }) => ({
      session: {
        call(method, data, answer) {
          session.call(method, data, (error, result) => answer(error && { ...error, isTemporary: false }, result));
        },
      },
    })),
  },
  {
    does: "says that every error is temporary",
    breaks: "every error says what the protocol's table says, and whether trying again may help",
    host: between(({ session }) => ({
      session: {
        call(method, data, answer) {
          session.call(method, data, (error, result) => answer(error && { ...error, isTemporary: true }, result));
        },
      },
    })),
  },
  {
    does: "keeps a failing broker's errors to itself as permanent",
    breaks: "what a failing broker keeps from being done is answered 100, and an overfull one 111, both temporary",
    host: between(({ session }) => ({
      session: {
        publish(channel, data, format, answer) {
          session.publish(channel, data, format, (error) =>
            answer(error && { ...error, isTemporary: false }, undefined),
          );
        },
      },
    })),
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
    does: "answers an unsubscribe before the subscribe that it meets",
    breaks: "an unsubscribe never fails, and one that meets a subscribe under way waits for it",
    host: between(({ session }) => ({
      session: {
        unsubscribe(channel, answer) {
          session.unsubscribe(channel, () => {});
          answer(undefined, undefined);
        },
      },
    })),
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
    does: "takes names of any length",
    breaks: "a channel's name has 255 bytes at most, and one of 256 is answered 107",
    options: (options) => ({ ...options, limits: { ...options.limits, channelNameBytes: 10_000 } }),
  },
  {
    does: "takes any number of channels",
    breaks: "a client is in 128 channels at most: the 129th is answered 106, and welcome once another is left",
    options: (options) => ({ ...options, limits: { ...options.limits, channelsPerSession: 10_000 } }),
  },
  {
    does: "gives as much history as is asked for",
    breaks: "a page holds no more than the server gives, whatever the limit asked for",
    options: (options) => ({ ...options, limits: { ...options.limits, historyPageSize: 1_000_000_000 } }),
  },
  {
    does: "reads history in one direction only",
    breaks: "paging through history visits each publication once, forward and backward",
    host: between(({ session }) => ({
      session: { history: (command, answer) => session.history({ ...command, isReverse: false }, answer) },
    })),
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
  {
    does: "counts no bad commands",
    breaks: "ten bad commands within ten seconds end the session with 3509, nine do not",
    host: tolerant(() => true),
  },
];

/** The draft of a server that believes what a client's data say of who sent them. */
function claiming(draft: Draft): Draft {
  const { info } = JSON.parse(new TextDecoder().decode(draft.data)) as { readonly info?: { readonly user: string } };
  if (info === undefined || draft.info === undefined) return draft;
  return { ...draft, info: { ...draft.info, user: info.user } };
}
