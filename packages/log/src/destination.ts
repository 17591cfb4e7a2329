import { Buffer } from "node:buffer";
import fs from "node:fs";

/** A stream of Node's, as far as a log needs it: `process.stderr`, a socket, a `PassThrough` in a test. */
export interface LogStream {
  write(text: string, done: (error?: Error | null) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** What became of the lines written so far. */
export interface DestinationStats {
  /** Lines handed to the destination. */
  readonly written: number;
  /** Lines given up: the destination failed (`EPIPE`, `ENOSPC`) or was too slow and the buffer was full. */
  readonly dropped: number;
  /** The code of the last failure, such as `EPIPE`. */
  readonly lastError: string | undefined;
}

/** Takes lines, keeps the service out of the destination's troubles, and counts them. Never throws. */
export interface Destination {
  write(line: string): void;
  /** Resolves when everything was written or given up, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
  stats(): DestinationStats;
}

/** The wait before a full pipe is tried again. */
const RETRY_MS = 20;

/** A file descriptor or a stream, guarded. `maxBufferedBytes` bounds what waits for it. */
export function openDestination(target: number | LogStream, maxBufferedBytes: number): Destination {
  return typeof target === "number"
    ? new FileDestination(target, maxBufferedBytes)
    : new StreamDestination(target, maxBufferedBytes);
}

/** Counts what waits, what was written and what was given up; the two kinds of destination write in their own way. */
abstract class GuardedDestination implements Destination {
  readonly #maxBufferedBytes: number;
  #bufferedBytes = 0;
  #written = 0;
  #dropped = 0;
  #lastError: string | undefined;
  #flushed: (() => void)[] = [];

  constructor(maxBufferedBytes: number) {
    this.#maxBufferedBytes = maxBufferedBytes;
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bufferedBytes + bytes > this.#maxBufferedBytes) {
      this.#dropped += 1;
      return;
    }
    this.#bufferedBytes += bytes;
    this.enqueue(line, bytes);
  }

  flush(timeoutMs: number): Promise<void> {
    if (this.#bufferedBytes === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#flushed.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  stats(): DestinationStats {
    return { written: this.#written, dropped: this.#dropped, lastError: this.#lastError };
  }

  protected abstract enqueue(line: string, bytes: number): void;

  /** `lines` of together `bytes` no longer wait: they were written, or given up for `error`. */
  protected settle(lines: number, bytes: number, error: NodeJS.ErrnoException | null | undefined): void {
    this.#bufferedBytes -= bytes;
    if (error === null || error === undefined) {
      this.#written += lines;
    } else {
      this.#dropped += lines;
      this.#lastError = error.code ?? error.message;
    }
    if (this.#bufferedBytes === 0) for (const done of this.#flushed.splice(0)) done();
  }
}

/**
 * Writes to a file descriptor outside the event loop, so that a reader that stalls does not stall the service. One
 * write is under way at a time; what comes meanwhile is joined into the next.
 */
class FileDestination extends GuardedDestination {
  readonly #fd: number;
  #waiting: string[] = [];
  #isWriting = false;

  constructor(fd: number, maxBufferedBytes: number) {
    super(maxBufferedBytes);
    this.#fd = fd;
  }

  protected enqueue(line: string): void {
    this.#waiting.push(line);
    if (!this.#isWriting) this.#writeWaiting();
  }

  #writeWaiting(): void {
    const lines = this.#waiting;
    this.#isWriting = lines.length > 0;
    if (!this.#isWriting) return;
    this.#waiting = [];
    const batch = Buffer.from(lines.join(""));
    this.#writeBytes(batch, (error) => {
      this.settle(lines.length, batch.length, error);
      this.#writeWaiting();
    });
  }

  #writeBytes(bytes: Buffer, done: (error: NodeJS.ErrnoException | null) => void): void {
    fs.write(this.#fd, bytes, (error, bytesWritten) => {
      if (error !== null && (error.code === "EAGAIN" || error.code === "EBUSY")) {
        setTimeout(() => this.#writeBytes(bytes, done), RETRY_MS).unref();
      } else if (error === null && bytesWritten < bytes.length) {
        this.#writeBytes(bytes.subarray(bytesWritten), done);
      } else {
        done(error);
      }
    });
  }
}

/** Writes to a stream; its errors are counted instead of thrown. */
class StreamDestination extends GuardedDestination {
  readonly #stream: LogStream;

  constructor(stream: LogStream, maxBufferedBytes: number) {
    super(maxBufferedBytes);
    this.#stream = stream;
    // Each failed write tells its own callback; without a listener the event would end the process.
    stream.on("error", () => {});
  }

  protected enqueue(line: string, bytes: number): void {
    try {
      this.#stream.write(line, (error) => this.settle(1, bytes, error));
    } catch (thrown) {
      this.settle(1, bytes, thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }
}
