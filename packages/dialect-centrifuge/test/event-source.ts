/** Server-sent events as the HTML standard reads them, over `fetch`, as far as the SDK uses them: Node has none. */
export class FetchEventSource {
  onopen: () => void = () => {};
  onmessage: (event: { readonly data: string }) => void = () => {};
  onerror: (error: unknown) => void = () => {};
  readonly #gone = new AbortController();

  constructor(url: string) {
    void this.#read(url);
  }

  close(): void {
    this.#gone.abort();
  }

  async #read(url: string): Promise<void> {
    try {
      const response = await fetch(url, { signal: this.#gone.signal, headers: { accept: "text/event-stream" } });
      if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream"))
        throw new Error(`no events: ${response.status}`);
      this.onopen();
      await this.#readEvents(response);
      this.onerror(new Error("the stream ended"));
    } catch (thrown) {
      if (!this.#gone.signal.aborted) this.onerror(thrown);
    }
  }

  async #readEvents({ body }: Response): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    let data: string[] = [];
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      // A line ends with a newline, a return, or both; the last piece is not whole yet.
      const lines = text.split(/\r\n|\n|\r/);
      text = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice("data:".length).replace(/^ /, ""));
        else if (line === "" && data.length > 0) {
          this.onmessage({ data: data.join("\n") });
          data = [];
        }
      }
    }
  }
}
