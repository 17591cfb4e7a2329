import type { Handler, Payload, Sink } from "@polywire/core";
import type {
  Broker,
  ChannelEvent,
  ClientSession,
  Origin,
  Outlet,
  SessionHost,
  SubscribeResult,
} from "@polywire/realtime";
import { withoutLength } from "./delimited.ts";
import type { Transport } from "./transports.ts";
import type { Circumstances, Defect } from "./wire-server.ts";

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
export function over<Part extends object>(part: Part, overrides: Partial<Part>): Part {
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
export function between(override: (between: Between) => Overrides): NonNullable<Defect["host"]> {
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
export function resultsChanged(change: (result: SubscribeResult) => SubscribeResult): NonNullable<Defect["host"]> {
  return between(({ session }) => ({
    session: {
      subscribe(request, answer) {
        session.subscribe(request, (error, result) => answer(error, result && change(result)));
      },
    },
  }));
}

/** A host whose publications to clients are tampered with. */
export function publicationsChanged(
  tell: (event: ChannelEvent, outlet: Outlet) => ReturnType<Outlet["event"]>,
): NonNullable<Defect["host"]> {
  return between(({ outlet }) => ({
    outlet: { event: (event) => (event.kind === "publication" ? tell(event, outlet) : outlet.event(event)) },
  }));
}

export function streamsChanged(change: (broker: Broker) => Partial<Broker["streams"]>): NonNullable<Defect["broker"]> {
  return (broker) => over(broker, { streams: over(broker.streams, change(broker)) });
}

/** A host that ends nobody whom the dialect wants ended. */
export const tolerant: NonNullable<Defect["host"]> = between(() => ({ session: { disconnect() {} } }));

/** A handler that takes every client for connected from its first word on. */
export function connectsByItself(handler: Handler, { transport, encoding }: Circumstances): Handler {
  const whole = encoding.encode({ id: 1, connect: {} });
  return {
    ...handler,
    link(link, place) {
      let isSilent = false;
      const open = (sink: Sink): void => {
        let isFirst = true;
        const message = (frame: Payload): void => {
          if (isFirst) {
            isFirst = false;
            isSilent = true;
            sink.message(onWire(whole, transport));
            isSilent = false;
          }
          sink.message(frame);
        };
        link.open(over(sink, { message }));
      };
      handler.link?.(over(link, { open, send: (payload) => (isSilent ? "sent" : link.send(payload)) }), place);
    },
    exchange(exchange) {
      if (exchange.path.endsWith("/emulation")) return handler.exchange?.(exchange);
      const { query, body } = exchange;
      const bytes = async (): Promise<Uint8Array> => followedBy(whole, await body.bytes());
      const asked = new URLSearchParams(query).get("cf_connect");
      const first = typeof whole === "string" ? `${whole}\n` : "";
      return handler.exchange?.(
        over(exchange, {
          body: over(body, { bytes }),
          query: asked === null ? query : `cf_connect=${encodeURIComponent(first + asked)}`,
        }),
      );
    },
  };
}

/** One frame, as this transport delivers it. */
function onWire(frame: Payload, { frames }: Transport): Payload {
  if (typeof frame === "string") return frames === "stream" ? Buffer.from(`${frame}\n`) : frame;
  return frames === "single" ? withoutLength(frame) : frame;
}

function followedBy(first: Payload, second: Uint8Array): Uint8Array {
  const line = typeof first === "string" ? Buffer.from(`${first}\n`) : first;
  return new Uint8Array(Buffer.concat([line, second]));
}
