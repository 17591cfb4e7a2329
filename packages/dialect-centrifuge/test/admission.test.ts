import type { Peer } from "@polywire/core";
import { describe, expect, it, test } from "vitest";
import { Doorkeeper } from "../src/admission.ts";

function peerFrom(origin: string | undefined, host = "127.0.0.1:8000"): Peer {
  const headers = new Map([["host", host]]);
  if (origin !== undefined) headers.set("origin", origin);
  return { secure: false, headers };
}

describe("origins", () => {
  it.each<[string | undefined, string, boolean]>([
    [undefined, "127.0.0.1:8000", true],
    ["http://127.0.0.1:8000", "127.0.0.1:8000", true],
    ["HTTP://Example.COM", "example.com", true],
    ["https://example.com", "example.com:443", true],
    ["http://example.com:80", "example.com", true],
    ["https://example.com", "example.com:80", false],
    ["http://127.0.0.1:9000", "127.0.0.1:8000", false],
    ["http://evil.example", "127.0.0.1:8000", false],
    ["http://127.0.0.1:8000.evil.example", "127.0.0.1:8000", false],
    ["http://127.0.0.1:8000@evil.example", "127.0.0.1:8000", false],
    ["null", "127.0.0.1:8000", false],
    ["", "127.0.0.1:8000", false],
    ["file://", "", false],
    ["garbage", "garbage", false],
  ])("from %j at the host %j: %j", (origin, host, accepted) => {
    expect(new Doorkeeper([], []).admit(peerFrom(origin, host)).accepted).toBe(accepted);
  });

  it("without a host header are foreign", () => {
    expect(new Doorkeeper([], []).admit({ secure: false, headers: new Map([["origin", "http://a.example"]]) })).toEqual(
      {
        accepted: false,
        status: 403,
        reason: "origin not allowed",
      },
    );
  });

  it.each<[string, string, boolean]>([
    ["https://app.example.com", "https://app.example.com", true],
    ["https://app.example.com", "https://app.example.com.evil", false],
    ["https://*.example.com", "https://a.b.example.com", true],
    ["https://*.example.com", "https://example.com", false],
    ["https://*.example.com", "https://evil-example.com", false],
    ["https://*.example.com:*", "https://a.example.com:8443", true],
    ["HTTPS://App.Example.com", "https://app.example.com", true],
    ["*", "https://anything.example", true],
    ["null", "null", true],
    ["ab*ba://", "aba://", false],
    ["https://*a*a", "https://a", false],
    ["https://a*b*c*d", "https://axbxcxd", true],
    ["https://a*b*c*d", "https://axcxbxd", false],
  ])("allowed by %j: %j is %j", (pattern, origin, accepted) => {
    expect(new Doorkeeper([pattern], []).admit(peerFrom(origin)).accepted).toBe(accepted);
  });

  it("are matched in bounded time", () => {
    const doorkeeper = new Doorkeeper([`https://${"*a".repeat(50)}b`], []);
    expect(doorkeeper.admit(peerFrom(`https://${"a".repeat(5_000)}`)).accepted).toBe(false);
  });
});

test("origins may change while it judges; one without a scheme changes nothing", () => {
  const doorkeeper = new Doorkeeper(["https://old.example"], []);
  const admitted = (origin: string): boolean => doorkeeper.admit(peerFrom(origin)).accepted;
  doorkeeper.allowOrigins(["https://new.example"]);
  expect([admitted("https://old.example"), admitted("https://new.example")]).toEqual([false, true]);
  expect(() => doorkeeper.allowOrigins(["https://old.example", "old.example"])).toThrow('"old.example" has no scheme');
  expect([admitted("https://old.example"), admitted("https://new.example")]).toEqual([false, true]);
});

describe("what a page may read", () => {
  const corsOf = (origin: string | undefined, allowed: readonly string[]): Record<string, string> =>
    Object.fromEntries(new Doorkeeper(allowed, []).corsHeaders(peerFrom(origin).headers ?? new Map()));

  it("is the answer, for pages that may connect", () => {
    const headers = { "access-control-allow-credentials": "true", vary: "origin" };
    for (const origin of ["https://app.example.com", "http://127.0.0.1:8000"]) {
      expect(corsOf(origin, ["https://*.example.com"])).toEqual({ ...headers, "access-control-allow-origin": origin });
    }
  });

  it("is nothing, for every other page and for who is none, should a listener let them in", () => {
    for (const origin of ["https://evil.example", "null", "", undefined]) {
      expect(corsOf(origin, ["https://*.example.com"])).toEqual({});
    }
  });
});

describe("subprotocols", () => {
  const offered = (...offeredSubprotocols: string[]): Peer => ({ secure: false, offeredSubprotocols });

  it("are answered with the first that is known, and with none otherwise", () => {
    const doorkeeper = new Doorkeeper([], ["Cookie"]);
    expect(doorkeeper.admit(offered("centrifuge-protobuf"))).toEqual({
      accepted: true,
      subprotocol: "centrifuge-protobuf",
      keepHeaders: ["cookie"],
    });
    expect(doorkeeper.admit(offered("other", "centrifuge-json", "centrifuge-protobuf"))).toMatchObject({
      subprotocol: "centrifuge-json",
    });
    expect(doorkeeper.admit(offered("other"))).toEqual({ accepted: true, keepHeaders: ["cookie"] });
    expect(doorkeeper.admit(offered())).toEqual({ accepted: true, keepHeaders: ["cookie"] });
  });
});
