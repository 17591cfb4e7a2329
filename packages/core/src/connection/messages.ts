import { copyPayload, type Payload } from "../contract/payload.ts";
import type { Connection } from "./connection.ts";

/** Most messages that {@link messages} holds for a consumer that is behind, before it pauses the connection. */
const MAX_WAITING_MESSAGES = 64;

/**
 * The connection's messages for `for await`. Bytes are copied, so they may be kept. A consumer that is behind pauses
 * the connection. Goes on over lost links; ends when the connection closes; throws its error when it was cut off.
 */
export async function* messages(connection: Connection): AsyncGenerator<Payload, void, undefined> {
  const waiting: Payload[] = [];
  let wake: () => void = () => {};
  const stops = [
    connection.on("data", (payload) => {
      waiting.push(copyPayload(payload));
      if (waiting.length >= MAX_WAITING_MESSAGES) connection.pause();
      wake();
    }),
    connection.on("close", () => wake()),
  ];
  try {
    for (;;) {
      const batch = waiting.splice(0);
      yield* batch;
      if (waiting.length > 0) continue;
      const { closeInfo } = connection;
      if (closeInfo?.error !== undefined) throw closeInfo.error;
      if (closeInfo !== undefined) return;
      connection.resume();
      // Resuming may deliver at once.
      if (waiting.length === 0 && connection.state !== "closed") {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    for (const stop of stops) stop();
  }
}
