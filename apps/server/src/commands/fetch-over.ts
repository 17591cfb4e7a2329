import { type Exchanger, MAX_DELAY_MS, PolywireError } from "@polywire/core";

/** Statuses whose responses have no body: the Fetch standard, section 2.2.3. */
const BODYLESS: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

export interface FetchOverOptions {
  /** Opens the way to the server, with the first request. */
  readonly open: () => Promise<Exchanger>;
  /** Why a request was not answered. */
  readonly onError: (error: PolywireError) => void;
}

/** `fetch` as the SDK uses it, by requests of a network to one server: what its protocol can do, TLS first, they can. */
export function fetchOver({ open, onError }: FetchOverOptions): typeof fetch {
  let opening: Promise<Exchanger> | undefined;
  return async function fetchOverExchanger(input, { method = "GET", headers, body, signal } = {}) {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    try {
      opening ??= open();
      const exchanger = await opening;
      const request = {
        method,
        path: `${pathname}${search}`,
        headers: new Map(new Headers(headers).entries()),
        body: body as string | Uint8Array | undefined,
      };
      // A stream lasts as long as it can.
      const response = await exchanger.request(request, { ...(signal && { signal }), timeoutMs: MAX_DELAY_MS });
      const { status } = response;
      return new Response(BODYLESS.has(status) ? null : ReadableStream.from(response.body), {
        status,
        headers: [...response.headers],
      });
    } catch (thrown) {
      const error = PolywireError.from(thrown);
      if (signal?.aborted !== true) onError(error);
      throw error;
    }
  };
}
