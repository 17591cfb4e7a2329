import { type ExchangeStep, type Intercepting, intercepted } from "../connection/interceptors.ts";
import type { Exchanger } from "../contract/exchange.ts";
import type { Target } from "./connector.ts";

/** Puts the interceptors around the requests of an exchanger that its network has just opened; nobody else has it yet. */
export function interceptExchanges(
  exchanger: Exchanger,
  { protocol, endpoint }: Target,
  intercepting: Intercepting,
): void {
  if (!intercepting.interceptors.some((interceptor) => interceptor.exchange !== undefined)) return;
  const direct = exchanger.request.bind(exchanger);
  const step = intercepted<ExchangeStep>("exchange", intercepting, ({ request, options }) => direct(request, options));
  const place = { endpoint: endpoint.display, protocol: protocol.name };
  const request: Exchanger["request"] = async (given, options = {}) => step({ ...place, request: given, options });
  // Its own methods that make requests go through it too.
  Object.defineProperty(exchanger, "request", { value: request, configurable: true, writable: true });
}
