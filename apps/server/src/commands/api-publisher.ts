import { PolywireError } from "@polywire/core";
import type { ApiSession } from "./api-session.ts";

/** Publishes through the server API, one after the other, so in order. */
export class ApiPublisher {
  readonly #session: ApiSession;
  readonly #channel: string;
  readonly #form: "json" | "text" | "raw";

  constructor(session: ApiSession, channel: string, form: "json" | "text" | "raw") {
    this.#session = session;
    this.#channel = channel;
    this.#form = form;
  }

  /** @throws PolywireError for what the server refuses. */
  async publish(line: string): Promise<void> {
    const answer = await this.#session.call(
      "publish",
      `{"channel":${JSON.stringify(this.#channel)},${this.#field(line)}}`,
    );
    if (!("error" in answer)) return;
    const { code, message } = answer.error;
    throw new PolywireError("not-available", `not published to "${this.#channel}": ${message} (${code})`);
  }

  /** JSON stays the text that it is; anything else is taken as a text. */
  #field(line: string): string {
    if (this.#form === "raw") return `"b64data":${JSON.stringify(Buffer.from(line).toString("base64"))}`;
    return `"data":${this.#form === "json" && isJson(line) ? line : JSON.stringify(line)}`;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
