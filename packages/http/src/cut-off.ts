import type { ServerResponse } from "node:http";
import { constants, Http2ServerResponse } from "node:http2";

/** Ends a response without its end, so that the reader knows that this is not all. */
export function cutOff(response: ServerResponse): void {
  // Destroyed or cancelled, a stream of HTTP/2 would look whole to some readers.
  if ((response as object) instanceof Http2ServerResponse) {
    (response as unknown as Http2ServerResponse).stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  } else {
    response.destroy();
  }
}
