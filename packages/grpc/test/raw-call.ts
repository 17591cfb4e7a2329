import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";

/** What came back for a raw call. */
export interface RawAnswer {
  readonly head: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly resetCode: number;
  /** `grpc-status`, wherever it was. */
  readonly status: string | undefined;
  readonly message: string | undefined;
}

/** An HTTP/2 client that says whatever a test wants it to. */
export class RawClient implements AsyncDisposable {
  readonly session: ClientHttp2Session;

  constructor(port: number) {
    this.session = connectHttp2(`http://127.0.0.1:${port}`);
    this.session.on("error", () => {});
  }

  /** Sends head and bytes, ends, and waits for the end of the stream. */
  call(path: string, body: Buffer | undefined, headers: Record<string, string> = {}): Promise<RawAnswer> {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on("error", () => {});
    stream.on("response", (given) => {
      head = given;
    });
    stream.on("trailers", (given) => {
      trailers = given;
    });
    stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
    if (body === undefined) stream.end();
    else stream.end(body);
    return new Promise((resolve) => {
      stream.on("close", () => {
        const status = (trailers["grpc-status"] ?? head["grpc-status"]) as string | undefined;
        const message = (trailers["grpc-message"] ?? head["grpc-message"]) as string | undefined;
        const resetCode = stream.rstCode ?? 0;
        resolve({ head, trailers, body: Buffer.concat(chunks), resetCode, status, message });
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => void this.session.once("close", resolve));
    if (this.session.destroyed) return;
    this.session.destroy();
    await closed;
  }
}

/** A message behind its prefix; `flag` and `length` may lie. */
export function message(
  payload: Buffer,
  { flag = 0, length = payload.byteLength }: { flag?: number; length?: number } = {},
): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, payload]);
}

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;

const NOTHING: Buffer = Buffer.alloc(0);

/** One HTTP/2 frame. */
export function http2Frame(
  type: number,
  { flags = 0, stream = 0, payload = NOTHING }: { flags?: number; stream?: number; payload?: Buffer },
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.byteLength, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A header block for a gRPC call, HPACK without compression (RFC 7541, appendix A: 3 is POST, 6 is http). */
export function headBlock(path: string): Buffer {
  const literal = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x01]),
    literal("localhost"),
    Buffer.from([0x04]),
    literal(path),
    Buffer.from([0x0f, 0x10]),
    literal("application/grpc"),
  ]);
}

/** A connection below HTTP/2: frames as bytes. */
export class RawConnection implements AsyncDisposable {
  readonly socket: Socket;
  /** Type and payload of the frames that came. */
  readonly frames: { readonly type: number; readonly payload: Buffer }[] = [];
  readonly closed: Promise<void>;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk) => this.#received(chunk));
    this.closed = new Promise((resolve) => void socket.once("close", () => resolve()));
  }

  static async open(port: number): Promise<RawConnection> {
    const connection = new RawConnection(connectTcp({ host: "127.0.0.1", port }));
    await new Promise((resolve) => void connection.socket.once("connect", resolve));
    connection.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    connection.socket.write(http2Frame(FRAME.settings, {}));
    return connection;
  }

  /** The error code of the last GOAWAY, if one came. */
  get goaway(): number | undefined {
    return this.frames.findLast(({ type }) => type === FRAME.goaway)?.payload.readUInt32BE(4);
  }

  #received(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.byteLength >= 9) {
      const length = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.byteLength < length) return;
      this.frames.push({ type: this.#rest[3] as number, payload: this.#rest.subarray(9, length) });
      this.#rest = this.#rest.subarray(length);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}
