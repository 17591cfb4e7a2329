import { type Accepted, keptHeaders, type Peer } from "@polywire/core";
import type { HelloRequest } from "./hello.ts";

/** Where datagrams come from. */
export interface Source {
  readonly address: string;
  readonly port: number;
}

/** A peer of whom nothing is known but where it is. */
export function plainPeer({ address, port }: Source): Peer {
  return { address, port, secure: false };
}

/** A peer that dials, as admission sees it. */
export function arrivingPeer({ address, port }: Source, request: HelloRequest): Peer {
  const { path, query, subprotocols, headers } = request;
  return { address, port, secure: false, path, query, offeredSubprotocols: subprotocols, headers };
}

/** What an established link keeps of its peer. */
export function keptPeer(arriving: Peer, { subprotocol, keepHeaders }: Accepted): Peer {
  const { offeredSubprotocols: _, headers, ...kept } = arriving;
  return {
    ...kept,
    ...(subprotocol !== undefined && { subprotocol }),
    headers: keptHeaders(headers, keepHeaders) ?? new Map(),
  };
}
