import type { Exchange } from "@polywire/core";

/** How an exchange ended: with the status of its answer, or because the peer has gone first. */
export type ExchangeEnd = { readonly status: number } | { readonly error: unknown };

/** Calls back once, when the head of the answer is given or nobody waits for one any more. The exchange stays what it is to its handler. */
export function whenAnswered(exchange: Exchange, answered: (end: ExchangeEnd) => void): void {
  let isOver = false;
  const over = (end: ExchangeEnd): void => {
    if (isOver) return;
    isOver = true;
    answered(end);
  };
  const respond = exchange.respond.bind(exchange);
  const stream = exchange.stream.bind(exchange);
  replace(exchange, "respond", (head, body) => {
    respond(head, body);
    over({ status: head.status });
  });
  replace(exchange, "stream", (head) => {
    const link = stream(head);
    over({ status: head.status });
    return link;
  });
  const { signal } = exchange;
  if (signal.aborted) over({ error: signal.reason });
  else signal.addEventListener("abort", () => over({ error: signal.reason }), { once: true });
}

function replace<Name extends "respond" | "stream">(exchange: Exchange, name: Name, value: Exchange[Name]): void {
  Object.defineProperty(exchange, name, { value, configurable: true, writable: true });
}
