import type { AnyProtocol, DialContext, Endpoint, Link } from "@polywire/core";

/** The same protocols, whose dialled links can be lost as if a cable broke: nothing more is said on either side. */
export function cuttable<const Protocols extends readonly AnyProtocol[]>(
  protocols: Protocols,
): { readonly protocols: Protocols; cut(): void } {
  const links = new Set<Link>();
  const watched = protocols.map((protocol): AnyProtocol => {
    const { links: carrier } = protocol;
    if (carrier === undefined) return protocol;
    return {
      ...protocol,
      links: {
        ...carrier,
        async dial(endpoint: Endpoint, context: DialContext) {
          const link = await carrier.dial(endpoint, context);
          links.add(link);
          return link;
        },
      },
    };
  });
  return {
    protocols: watched as unknown as Protocols,
    cut() {
      for (const link of links) link.close({ discard: true });
      links.clear();
    },
  };
}
