import type { AnyProtocol, Traits } from "@polywire/core";
import { memory } from "@polywire/core/memory";

/** The in-memory wire under another scheme: it takes any dial option, and shows what a dial was given. */
export interface RenamedWire {
  readonly protocol: AnyProtocol;
  readonly dials: { readonly url: string; readonly options: object; readonly metadata: ReadonlyMap<string, string> }[];
}

export function renamedWire(scheme: string): RenamedWire {
  const inner: AnyProtocol = memory();
  const dials: RenamedWire["dials"] = [];
  const { links } = inner;
  if (links?.listen === undefined) throw new Error("the in-memory wire has links");
  const listen = links.listen.bind(links);
  const protocol: AnyProtocol = {
    name: scheme,
    contractVersion: 1,
    schemes: [scheme],
    traits: (endpoint): Traits => inner.traits(endpoint),
    links: {
      dial: (endpoint, context) => {
        dials.push({ url: endpoint.href, options: endpoint.options, metadata: context.metadata });
        return links.dial({ ...endpoint, options: {} }, context);
      },
      listen,
    },
  };
  return { protocol, dials };
}
