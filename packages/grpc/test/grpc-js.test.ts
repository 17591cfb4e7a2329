import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { makeCertificate } from "@polywire/conformance/testing";
import { Network } from "@polywire/core";
import { expect, test } from "vitest";
import { grpc, grpcStatusOf } from "../src/index.ts";
import { echo, OpenLink, Serving } from "./serving.ts";

const TIMEOUT_MS = 30_000;
const same = (bytes: Buffer): Buffer => bytes;
const text = {
  serialize: (value: string): Buffer => Buffer.from(value),
  deserialize: (bytes: Buffer) => bytes.toString(),
};

/** What a code generator makes of a service. */
const service = {
  Talk: method("Talk", true, true),
  Echo: method("Echo", false, false),
  Count: method("Count", false, true),
} as const;

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Service/${name}`,
    requestStream,
    responseStream,
    requestSerialize: text.serialize,
    requestDeserialize: text.deserialize,
    responseSerialize: text.serialize,
    responseDeserialize: text.deserialize,
  };
}

test("grpc-js as client: a stream and unary calls", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start();
  await serving.network.listen(`grpc://${serving.address}/test.Service/Echo`, { exchange: echo });
  const client = new Client(serving.address, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest("/test.Service/Talk", same, same, new Metadata());
  const heard: string[] = [];
  stream.on("data", (bytes: Buffer) => void heard.push(bytes.toString()));
  const status = new Promise<{ code: number }>((resolve) => void stream.on("status", resolve));
  const link = await serving.next();
  link.onMessage = (payload) => link.link.send(payload);
  link.onEnded = () => link.link.close();
  for (let index = 0; index < 1_000; index++) stream.write(Buffer.from(`${index}`));
  stream.end();
  expect((await status).code).toBe(0);
  expect(heard).toEqual(Array.from({ length: 1_000 }, (_, index) => `${index}`));

  const metadata = new Metadata();
  metadata.set("x-question", "why");
  const answer = await new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, bytes?: Buffer): void => (error ? reject(error) : resolve(String(bytes)));
    client.makeUnaryRequest("/test.Service/Echo", same, same, Buffer.from("hello"), metadata, done);
  });
  expect(answer).toBe("hello");
  client.close();
});

test("grpc-js as server: a link, requests, typed calls", { timeout: TIMEOUT_MS }, async () => {
  const server = new Server();
  server.addService(service, {
    Talk(call: ServerDuplexStream<string, string>) {
      call.sendMetadata(new Metadata());
      call.on("data", (value: string) => void call.write(`you said ${value}`));
      call.on("end", () => call.end());
    },
    Echo(call: ServerUnaryCall<string, string>, answer: sendUnaryData<string>) {
      if (call.request === "fail") answer({ code: 5, details: "no such thing" });
      else answer(null, call.request.toUpperCase());
    },
    Count(call: ServerWritableStream<string, string>) {
      for (let index = 0; index < Number(call.request); index++) call.write(`${index}`);
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  await using network = new Network({ protocols: [grpc()] });
  const link = OpenLink.dialled(
    await network.connect(`grpc://127.0.0.1:${port}/test.Service/Talk`, { reconnect: false }),
  );
  link.link.send("hello");
  await link.until(() => link.messages.length === 1);
  expect(link.texts).toEqual(["you said hello"]);
  (link.link as unknown as { end(): void }).end();
  expect(await link.closed).toMatchObject({ by: "remote", clean: true });

  const exchanger = await network.open(`grpc://127.0.0.1:${port}/`);
  expect(await exchanger.call(service.Echo, "hello")).toBe("HELLO");
  const failed: unknown = await exchanger.call(service.Echo, "fail").catch((thrown: unknown) => thrown);
  expect(grpcStatusOf(failed)).toBe(5);
  expect(failed).toMatchObject({ code: "not-available" });
  const counted: string[] = [];
  for await (const value of exchanger.stream(service.Count, "500")) counted.push(value);
  expect(counted.length).toBe(500);
  // Breaking off ends the call.
  for await (const value of exchanger.stream(service.Count, "100000")) {
    expect(value).toBe("0");
    break;
  }
  await exchanger.close();
  server.forceShutdown();
});

test("grpc-js over TLS with a client certificate", { timeout: TIMEOUT_MS }, async () => {
  const authority = makeCertificate({ name: "authority", isAuthority: true });
  const own = makeCertificate({ name: "server", hosts: ["127.0.0.1", "localhost"], issuer: authority });
  const theirs = makeCertificate({ name: "client", issuer: authority });
  await using serving = await Serving.start({
    url: "grpcs://127.0.0.1:0/test.Service/Talk",
    listen: { tls: { cert: own.cert, key: own.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true } },
  });
  const given = credentials.createSsl(Buffer.from(authority.cert), Buffer.from(theirs.key), Buffer.from(theirs.cert));
  const client = new Client(`localhost:${serving.port}`, given);
  const stream = client.makeBidiStreamRequest("/test.Service/Talk", same, same, new Metadata());
  stream.on("error", () => {});
  const link = await serving.next();
  expect(link.link.peer.certificate?.subject).toBe("CN=client");
  stream.cancel();
  await link.closed;
  client.close();
});
