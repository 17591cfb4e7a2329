import { Network } from "@polywire/core";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import {
  decodeRequest,
  decodeResponse,
  encodeList,
  encodeRequest,
  encodeResponse,
  SERVING_STATUSES,
} from "../src/health-message.ts";
import { checkHealth, grpc, type ServingStatus, watchHealth } from "../src/index.ts";
import { echo, Serving } from "./serving.ts";

const TIMEOUT_MS = 30_000;

/** The health protocol's own words. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  package grpc.health.v1;
  message HealthCheckRequest { string service = 1; }
  message HealthCheckResponse {
    enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
    ServingStatus status = 1;
  }
  message HealthListResponse { map<string, HealthCheckResponse> statuses = 1; }
`);
const Request = root.lookupType("grpc.health.v1.HealthCheckRequest");
const Response = root.lookupType("grpc.health.v1.HealthCheckResponse");
const List = root.lookupType("grpc.health.v1.HealthListResponse");

test("messages are those of another implementation", () => {
  for (const service of ["", "a", "package.Service", "ü".repeat(200)]) {
    const theirs = Request.encode({ service }).finish();
    expect(Buffer.from(encodeRequest(service)).toString("hex")).toBe(Buffer.from(theirs).toString("hex"));
    expect(decodeRequest(theirs)).toBe(service);
  }
  for (const [status, name] of SERVING_STATUSES.entries()) {
    expect(Response.toObject(Response.decode(encodeResponse(name)), { defaults: true })).toEqual({ status });
    expect(decodeResponse(Response.encode({ status }).finish())).toBe(name);
  }
  const statuses: [string, ServingStatus][] = [
    ["", "SERVING"],
    ["one", "NOT_SERVING"],
  ];
  expect(List.toObject(List.decode(encodeList(statuses)))).toEqual({
    statuses: { "": { status: 1 }, one: { status: 2 } },
  });
});

test("fields that are not known are skipped, bytes that are none are refused", () => {
  const known = encodeRequest("name");
  const unknown = Buffer.from(
    "10" + "9601" + "1a" + "02" + "ffff" + "25" + "00000000" + "29" + "0000000000000000",
    "hex",
  );
  expect(decodeRequest(Buffer.concat([unknown, known, unknown]))).toBe("name");
  for (const wrong of ["0a", "0a05", "0a0561", "08", "ff".repeat(11), "0b", "00", "25"])
    expect(() => decodeRequest(Buffer.from(wrong, "hex"))).toThrow(
      expect.objectContaining({ code: "protocol-violation" }),
    );
  expect(decodeResponse(Buffer.from("0863", "hex"))).toBe("UNKNOWN");
});

test("a server knows itself, its services and its paths", { timeout: TIMEOUT_MS }, async () => {
  await using serving = await Serving.start({
    url: "grpc://127.0.0.1:0/one.Service/Method",
    handler: { exchange: echo },
  });
  const two = await serving.network.listen(`grpc://${serving.address}/two.Service/`, { exchange: echo });
  await using network = new Network({ protocols: [grpc()] });
  const exchanger = await network.open(`grpc://${serving.address}`);
  for (const service of ["", "one.Service", "/one.Service/Method", "two.Service", "/two.Service/"])
    expect(await checkHealth(exchanger, service)).toBe("SERVING");
  expect(await checkHealth(exchanger, "three.Service")).toBe("SERVICE_UNKNOWN");

  const controller = new AbortController();
  const watching = watchHealth(exchanger, "two.Service", { signal: controller.signal });
  const other = watchHealth(exchanger, "three.Service", { signal: controller.signal });
  expect((await watching.next()).value).toBe("SERVING");
  expect((await other.next()).value).toBe("SERVICE_UNKNOWN");
  await two.close();
  expect((await watching.next()).value).toBe("NOT_SERVING");
  expect(await checkHealth(exchanger, "two.Service")).toBe("NOT_SERVING");
  expect(await checkHealth(exchanger)).toBe("SERVING");
  await serving.network.listen(`grpc://${serving.address}/three.Service/Method`, { exchange: echo });
  expect((await other.next()).value).toBe("SERVING");
  controller.abort();
  await expect(watching.next()).rejects.toMatchObject({ code: "aborted" });
  await expect(other.next()).rejects.toMatchObject({ code: "aborted" });
  await exchanger.close();
});

test("a server without the health service counts as healthy", { timeout: TIMEOUT_MS }, async () => {
  const url = "grpc://127.0.0.1:0/one.Service/Method";
  await using serving = await Serving.start({ url, handler: { exchange: echo }, listen: { health: false } });
  const exchanger = await serving.network.open(`grpc://${serving.address}`);
  expect(await checkHealth(exchanger)).toBe("SERVING");
  await exchanger.close();
});
