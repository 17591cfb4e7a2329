import type { Exchanger } from "../contract/exchange.ts";
import type { Link } from "../contract/link.ts";
import type { Listener } from "../contract/listener.ts";
import type { Protocol } from "../contract/protocol.ts";

// How the type of a URL's scheme decides the types of `connect`, `open` and `listen`.

// biome-ignore format: one line each reads better
export type AnyProtocol = Protocol<string, Link, Exchanger, object, object, Listener>;

/** The scheme of a literal URL; `string` for a URL that is only known when the program runs. */
export type SchemeOf<Url extends string> = Url extends `${infer Scheme}:${string}` ? Scheme : string;

type ProtocolOf<Protocols extends readonly AnyProtocol[], Url extends string> =
  string extends SchemeOf<Url>
    ? Protocols[number]
    : Protocols[number] extends infer One
      ? One extends { readonly schemes: readonly (infer Scheme)[] }
        ? SchemeOf<Url> extends Scheme
          ? One
          : never
        : never
      : never;

/** The URL itself, or `never` (a compile error) for a literal whose scheme no protocol of the network carries. */
export type UrlOf<Protocols extends readonly AnyProtocol[], Url extends string> = [ProtocolOf<Protocols, Url>] extends [
  never,
]
  ? never
  : Url;

export type LinkFor<Protocols extends readonly AnyProtocol[], Url extends string> =
  ProtocolOf<Protocols, Url> extends Protocol<string, infer L, Exchanger, object, object, Listener> ? L : Link;

export type ExchangerFor<Protocols extends readonly AnyProtocol[], Url extends string> =
  ProtocolOf<Protocols, Url> extends Protocol<string, Link, infer X, object, object, Listener> ? X : Exchanger;

export type DialOptionsFor<Protocols extends readonly AnyProtocol[], Url extends string> =
  ProtocolOf<Protocols, Url> extends { readonly options?: { readonly dial: infer Dial } } ? Partial<Dial> : object;

export type ListenOptionsFor<Protocols extends readonly AnyProtocol[], Url extends string> =
  ProtocolOf<Protocols, Url> extends { readonly options?: { readonly listen: infer Listen } }
    ? Partial<Listen>
    : object;

export type ListenerFor<Protocols extends readonly AnyProtocol[], Url extends string> =
  ProtocolOf<Protocols, Url> extends { readonly listener?: infer Bound extends Listener | undefined }
    ? NonNullable<Bound>
    : Listener;
