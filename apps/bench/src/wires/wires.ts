/** One wire: its library alone, and the same library below Polywire. */
export interface Wire {
  /** As typed after `--only`. */
  readonly name: string;
  readonly title: string;
  readonly raw: string;
  readonly polywire: string;
  readonly inFlight: number;
  readonly operations: number;
  /** Most CPU per operation, client and server together, over the library alone. */
  readonly bar: number;
}

function program(file: string): string {
  return import.meta.resolve(`./programs/${file}.ts`);
}

export const wires: readonly Wire[] = [
  {
    name: "tcp",
    title: "TCP, length-prefixed messages",
    raw: program("tcp-raw"),
    polywire: program("tcp-polywire"),
    inFlight: 64,
    operations: 200_000,
    bar: 1.1,
  },
  {
    name: "udp",
    title: "UDP, plain datagrams",
    raw: program("udp-raw"),
    polywire: program("udp-polywire"),
    inFlight: 32,
    operations: 200_000,
    bar: 1.05,
  },
  {
    name: "ws",
    title: "WebSocket",
    raw: program("ws-raw"),
    polywire: program("ws-polywire"),
    inFlight: 64,
    operations: 150_000,
    bar: 1.05,
  },
  {
    name: "http",
    title: "HTTP requests (undici request, node:http)",
    raw: program("http-raw"),
    polywire: program("http-polywire"),
    inFlight: 16,
    operations: 30_000,
    bar: 1.03,
  },
  {
    name: "grpc",
    title: "gRPC, unary calls",
    raw: program("grpc-raw"),
    polywire: program("grpc-polywire"),
    inFlight: 32,
    operations: 15_000,
    bar: 1.03,
  },
  {
    name: "grpc-stream",
    title: "gRPC, messages of one stream",
    raw: program("grpc-stream-raw"),
    polywire: program("grpc-stream-polywire"),
    inFlight: 64,
    operations: 60_000,
    bar: 1.03,
  },
];
