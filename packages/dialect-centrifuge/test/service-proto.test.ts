import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { expect, it } from "vitest";
import { CLIENT_SCHEMA } from "../scripts/protobuf-schema.ts";

const SERVICE_FILE = new URL("../service.proto", import.meta.url);
const MESSAGES = ".centrifugal.centrifuge.protocol";

it("service.proto names the two calls, over the messages of client.proto beside it", () => {
  const text = readFileSync(SERVICE_FILE, "utf8");
  const root = new protobuf.Root();
  const { imports, package: name } = protobuf.parse(text, root, { keepCase: true });
  expect([imports, name]).toEqual([["client.proto"], "polywire.centrifuge.v1"]);
  protobuf.parse(readFileSync(CLIENT_SCHEMA.proto, "utf8"), root, { keepCase: true });
  root.resolveAll();
  const service = root.lookupService("polywire.centrifuge.v1.Centrifuge");
  const methods = service.methodsArray.map(({ name: method, requestStream, responseStream, ...types }) => [
    method,
    [types.resolvedRequestType?.fullName, requestStream === true],
    [types.resolvedResponseType?.fullName, responseStream === true],
  ]);
  expect(methods).toEqual([
    ["Connect", [`${MESSAGES}.Command`, true], [`${MESSAGES}.Reply`, true]],
    ["Consume", [`${MESSAGES}.ConnectRequest`, false], [`${MESSAGES}.Push`, true]],
  ]);
});

it("all schemas are published", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { files: string[] };
  expect(manifest.files).toEqual(expect.arrayContaining(["api.proto", "client.proto", "service.proto"]));
});
