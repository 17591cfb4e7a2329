import type { Exchanger } from "@polywire/core";
import { type CommandHost, EXIT_FAILED, oneLine } from "../command-host.ts";
import type { ConnectFlags } from "./connect.ts";
import { headersOf } from "./dial-flags.ts";
import { chunks } from "./lines.ts";
import { Output } from "./output.ts";

/** Statuses from here on are failures: RFC 9110, section 15. */
const FIRST_FAILURE = 400;
const BODYLESS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
/** An endless response is fine; a day is for people who forget. */
const TIMEOUT_MS = 86_400_000;

interface RequestPlace {
  readonly flags: ConnectFlags;
  readonly host: CommandHost;
  readonly signal: AbortSignal;
}

/** One request, its body from the input and the response's to the output; fulfilled with the exit code. */
export async function request(exchanger: Exchanger, { flags, host, signal }: RequestPlace): Promise<number> {
  const method = (flags.method ?? "GET").toUpperCase();
  const body = BODYLESS.has(method) ? undefined : chunks(host.input, signal);
  const headers = headersOf(flags);
  const output = new Output(host.output);
  const response = await exchanger.request({ method, headers, body }, { signal, timeoutMs: TIMEOUT_MS });
  const { status } = response;
  if (flags.json) output.writeEvent({ event: "response", status, headers: Object.fromEntries(response.headers) });
  else host.error(oneLine(`${exchanger.endpoint} answered ${status}`));
  for await (const chunk of response.body) {
    if (flags.json) output.writeEvent({ event: "body", base64: Buffer.from(chunk).toString("base64") });
    // The next chunk is read once the reader has this one.
    else output.write(Buffer.from(chunk));
    await output.flushed(signal);
  }
  await exchanger.close();
  return status < FIRST_FAILURE ? 0 : EXIT_FAILED;
}
