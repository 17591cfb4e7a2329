import { Buffer } from "node:buffer";
import fs from "node:fs";
import { atExit, isExiting, notAtExit } from "./exit.ts";

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
  /** Takes no more lines; they are given up. */
  close(): void;
  stats(): DestinationStats;
}

/** The wait before a full pipe is tried again. */
const RETRY_MS = 20;

/**
 * How long an exit waits for a write that is under way, so that what comes after it is written after it. A file shows by its
 * size that it is done; with anything else nobody can tell, and the time passes in any case.
 */
const LAST_FILE_WRITE_MS = 1_000;
const LAST_WRITE_MS = 10;

/** How long an exit goes on trying a pipe that is full. */
const LAST_TRIES_MS = 100;

/** A reader that has taken nothing for so long is not waited for when the process exits. */
const STALLED_MS = 1_000;

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
  #isClosed = false;

  constructor(maxBufferedBytes: number) {
    this.#maxBufferedBytes = maxBufferedBytes;
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#isClosed || this.#bufferedBytes + bytes > this.#maxBufferedBytes) {
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

  close(): void {
    this.#isClosed = true;
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
 * write is under way at a time; what comes meanwhile is joined into the next. What waits when the process exits is
 * written then.
 */
class FileDestination extends GuardedDestination {
  readonly #fd: number;
  #waiting: string[] = [];
  #isWriting = false;
  /** When the write under way began, or last got on, on the process's own clock. */
  #progressAtMs = 0;
  /** Bytes that are to be tried again soon, because the pipe was full. */
  #halted: Buffer | undefined = undefined;
  readonly #isFile: boolean;
  /** The file's size once the write under way is done. */
  #sizeAfter = 0;
  /** At the exit: the reader takes nothing, and whoever writes to it might wait forever. */
  #isStalled = false;
  readonly #writeLast = (): void => this.#writeAtExit();

  constructor(fd: number, maxBufferedBytes: number) {
    super(maxBufferedBytes);
    this.#fd = fd;
    this.#isFile = statOf(fd)?.isFile() === true;
  }

  protected enqueue(line: string): void {
    this.#waiting.push(line);
    if (isExiting()) this.#writeAtExit();
    if (this.#isWriting || isExiting()) return;
    atExit(this.#writeLast);
    this.#writeWaiting();
  }

  #writeWaiting(): void {
    const lines = this.#waiting;
    this.#isWriting = lines.length > 0;
    if (!this.#isWriting) {
      notAtExit(this.#writeLast);
      return;
    }
    this.#waiting = [];
    this.#progressAtMs = performance.now();
    const batch = Buffer.from(lines.join(""));
    this.#writeBytes(batch, (error) => {
      this.settle(lines.length, batch.length, error);
      this.#writeWaiting();
    });
  }

  #writeBytes(bytes: Buffer, done: (error: NodeJS.ErrnoException | null) => void): void {
    if (this.#isFile) this.#sizeAfter = (statOf(this.#fd)?.size ?? 0) + bytes.length;
    fs.write(this.#fd, bytes, (error, bytesWritten) => {
      if (error !== null && isFull(error)) {
        this.#halted = bytes;
        setTimeout(() => {
          this.#halted = undefined;
          this.#writeBytes(bytes, done);
        }, RETRY_MS).unref();
      } else if (error === null && bytesWritten < bytes.length) {
        this.#progressAtMs = performance.now();
        this.#writeBytes(bytes.subarray(bytesWritten), done);
      } else {
        done(error);
      }
    });
  }

  /** Node ends a write that is under way before the process is gone; everything else is written here and now. */
  #writeAtExit(): void {
    const bytes = Buffer.concat([this.#halted ?? Buffer.alloc(0), Buffer.from(this.#waiting.join(""))]);
    const isUnderWay = this.#isWriting && this.#halted === undefined;
    this.#waiting = [];
    this.#halted = undefined;
    this.#isWriting = false;
    if (isUnderWay) {
      this.#isStalled = performance.now() - this.#progressAtMs > STALLED_MS;
      if (!this.#isStalled) this.#awaitWrite();
    }
    if (!this.#isStalled) this.#writeSync(bytes);
  }

  #awaitWrite(): void {
    if (!this.#isFile) return pauseThread(LAST_WRITE_MS);
    const untilMs = performance.now() + LAST_FILE_WRITE_MS;
    while ((statOf(this.#fd)?.size ?? Number.POSITIVE_INFINITY) < this.#sizeAfter && performance.now() < untilMs) {
      pauseThread(1);
    }
  }

  #writeSync(bytes: Buffer): void {
    const triesUntilMs = performance.now() + LAST_TRIES_MS;
    let rest = bytes;
    while (rest.length > 0 && performance.now() < triesUntilMs) {
      try {
        rest = rest.subarray(fs.writeSync(this.#fd, rest));
      } catch (thrown) {
        if (!isFull(thrown as NodeJS.ErrnoException)) return;
        pauseThread(RETRY_MS);
      }
    }
  }
}

function statOf(fd: number): fs.Stats | undefined {
  try {
    return fs.fstatSync(fd);
  } catch {
    return undefined;
  }
}

function isFull({ code }: NodeJS.ErrnoException): boolean {
  return code === "EAGAIN" || code === "EBUSY";
}

/** Stands still: for the exit, when there is no event loop any more. */
function pauseThread(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
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
