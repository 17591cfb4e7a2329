import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { makeCertificate } from "@polywire/conformance/testing";
import { PolywireError } from "@polywire/core";
import { afterAll, expect, test } from "vitest";
import { type LoadedConfig, loadConfig } from "../src/config/load.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-config-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** Loads the text as a file; the environment is empty unless given. */
function load(text: string | Buffer, environment: Record<string, string> = {}, name = "polywire.yaml"): LoadedConfig {
  const file = path.join(directory, name);
  fs.writeFileSync(file, text);
  return loadConfig(file, environment);
}

/** The one line that loading ends with; the file's folder is left out. */
function problem(load: () => LoadedConfig): string {
  try {
    load();
  } catch (thrown) {
    if (!PolywireError.is(thrown)) throw thrown;
    expect(thrown.code).toBe("invalid-argument");
    expect(thrown.message).not.toMatch(/[\r\n]/);
    return thrown.message.replace(`${directory}/`, "");
  }
  return "accepted";
}

/** A key, for what needs one. */
const API = "api: { key: sixteen-letters-1 }\n";

test("no configuration at all is a chat on loopback", () => {
  const { config, file, doubts } = loadConfig(undefined, {});
  expect(file).toBeUndefined();
  expect(doubts).toEqual([]);
  expect(config.listen.map((address) => address.url)).toEqual([
    "http://127.0.0.1:8000",
    "tcp://127.0.0.1:7000",
    "udp://127.0.0.1:7000",
    "grpc://127.0.0.1:11000",
  ]);
  expect(config.internal.map((address) => address.url)).toEqual(["http://127.0.0.1:9000"]);
  expect(config.channels).toEqual([
    {
      match: "chat:*",
      kind: "public",
      publish: "subscribers",
      data: "json",
      history: { size: 1000, ttlMs: 300_000 },
      recovery: true,
      positioning: false,
      overflow: "disconnect",
      compaction: false,
      tagsFilter: false,
      presence: true,
      joinLeave: true,
      read: "subscribers",
    },
    {
      match: "*",
      kind: "public",
      publish: "server",
      data: "json",
      history: undefined,
      recovery: false,
      positioning: false,
      overflow: "disconnect",
      compaction: false,
      tagsFilter: false,
      presence: false,
      joinLeave: false,
      read: "subscribers",
    },
  ]);
  expect(config.limits).toMatchObject({ clients: 10_000, messageBytes: 1_048_576, queueBytes: 4_194_304 });
  expect(config.client).toMatchObject({ pingIntervalMs: 25_000, pongTimeoutMs: 8_000, connectTimeoutMs: 10_000 });
  expect(config.log).toEqual({ level: "info", levels: {}, form: "tree" });
});

const EVERYTHING = `
listen:
  - http://127.0.0.1:8100
  - { url: "http://[::1]:8100/" }
  - tcp://127.0.0.1:8101?format=protobuf
  - { url: "tcp://127.0.0.1:8102", pong: false }
  - udp://127.0.0.1:8100
  - unix:/run/polywire.sock
internal: [http://127.0.0.1:9100]
client:
  allowAnonymous: true
  allowedOrigins: [https://Example.com, "http://localhost:3000/", "https://*.example.com"]
  pingInterval: 10s
  pongTimeout: 500ms
channels:
  - { match: "news:*", publish: clients, history: { size: 5, ttl: 2m }, recovery: true, read: clients, data: binary }
limits: { clients: 5, messageBytes: 64KiB, queueBytes: 2097152, channelsPerClient: 3, subscribersPerChannel: 4 }
log: { level: debug, form: json }
`;

test("every value is read, in YAML and in JSON", () => {
  const expected = {
    listen: [
      { url: "http://127.0.0.1:8100", scheme: "http", pong: true },
      { url: "http://[::1]:8100", host: "::1", port: 8100 },
      { url: "tcp://127.0.0.1:8101", format: "protobuf", pong: true },
      { url: "tcp://127.0.0.1:8102", format: "json", pong: false },
      { url: "udp://127.0.0.1:8100", scheme: "udp" },
      { url: "unix:/run/polywire.sock", scheme: "unix", host: "", port: 0 },
    ],
    internal: [{ url: "http://127.0.0.1:9100" }],
    client: {
      allowedOrigins: ["https://example.com", "http://localhost:3000", "https://*.example.com"],
      pingIntervalMs: 10_000,
      pongTimeoutMs: 500,
    },
    channels: [
      {
        match: "news:*",
        publish: "clients",
        data: "binary",
        read: "clients",
        recovery: true,
        presence: false,
        history: { size: 5, ttlMs: 120_000 },
      },
    ],
    limits: { clients: 5, messageBytes: 65_536, queueBytes: 2_097_152, channelsPerClient: 3, subscribersPerChannel: 4 },
    log: { level: "debug", form: "json" },
  };
  expect(load(EVERYTHING).config).toMatchObject(expected);
  const json = JSON.stringify(
    {
      listen: [
        "http://127.0.0.1:8100",
        { url: "http://[::1]:8100" },
        "tcp://127.0.0.1:8101?format=protobuf",
        { url: "tcp://127.0.0.1:8102", pong: false },
        "udp://127.0.0.1:8100",
        "unix:/run/polywire.sock",
      ],
      internal: ["http://127.0.0.1:9100"],
      client: {
        allowedOrigins: ["https://example.com", "http://localhost:3000", "https://*.example.com"],
        pingInterval: "10s",
        pongTimeout: "500ms",
      },
      channels: [
        {
          match: "news:*",
          publish: "clients",
          history: { size: 5, ttl: "2m" },
          recovery: true,
          read: "clients",
          data: "binary",
        },
      ],
      limits: {
        clients: 5,
        messageBytes: "64KiB",
        queueBytes: 2_097_152,
        channelsPerClient: 3,
        subscribersPerChannel: 4,
      },
      log: { level: "debug", form: "json" },
    },
    null,
    "\t",
  );
  expect(load(json, {}, "polywire.json").config).toMatchObject(expected);
});

test.each([
  ["C01 file missing", () => loadConfig(`${directory}/missing.yaml`, {}), "missing.yaml: no such file"],
  ["C03 directory", () => loadConfig(`${directory}/`, {}), ": is a directory, not a file"],
  ["C04 empty", () => load(""), "polywire.yaml: is empty: leave --config out to use the defaults"],
  ["C04 only comments", () => load("# nothing\n"), "polywire.yaml: is empty"],
  [
    "C05 byte order mark",
    () => load("\ufefflog: {}"),
    "polywire.yaml: begins with a byte order mark: save it as UTF-8 without BOM",
  ],
  ["C05 UTF-16", () => load(Buffer.from("\ufefflog: {}", "utf16le")), "polywire.yaml: is UTF-16: save it as UTF-8"],
  ["no UTF-8", () => load(Buffer.from([0x6c, 0xff, 0x0a])), "polywire.yaml: is not UTF-8 text"],
  [
    "C06 truncated JSON",
    () => load('{"log": {"level": "info"', {}, "c.json"),
    "c.json: line 1, column 25: wrong indentation, or a bracket or quote that is not closed",
  ],
  [
    "C09 duplicate keys",
    () => load("log: {}\nlimits: {}\nlog: {}\n"),
    "polywire.yaml: line 3, column 1: a key is given twice",
  ],
  [
    "C09 duplicate keys in JSON",
    () => load('{"log":{"level":"info","level":"debug"}}', {}, "c.json"),
    "c.json: line 1, column 24: a key is given twice",
  ],
  [
    "C45 10 MiB",
    () => load("#".repeat(10 * 1024 * 1024)),
    "polywire.yaml: is larger than 1 MiB: that is no configuration",
  ],
  [
    "a device without end",
    () => loadConfig("/dev/zero", {}),
    "/dev/zero: is larger than 1 MiB: that is no configuration",
  ],
  ["nested without end", () => load("[".repeat(100_000)), ": nested too deeply"],
  [
    "aliases that explode",
    () => load(BILLION_LAUGHS),
    "polywire.yaml: has aliases that are unknown or expand to too much",
  ],
  ["two documents", () => load("log: {}\n---\nlog: {}"), "polywire.yaml: holds more than one document (---): keep one"],
  ["a list", () => load("- log"), "polywire.yaml: must hold a mapping of keys, not a list"],
])("file: %s", (_name, loading, expected) => {
  expect(problem(loading)).toContain(expected);
});

const BILLION_LAUGHS = `
a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
`;

test("C02: a file without the right to read it", () => {
  const file = path.join(directory, "secret.yaml");
  fs.writeFileSync(file, "log: {}", { mode: 0o000 });
  const user = process.geteuid?.();
  if (user === 0) process.seteuid?.(65_534);
  try {
    fs.chmodSync(directory, 0o755);
  } catch {
    // Only the owner may, and then it is so already.
  }
  try {
    expect(problem(() => loadConfig(file, {}))).toContain("not readable: check its permissions");
  } finally {
    if (user === 0) process.seteuid?.(0);
  }
});

test.each([
  // C10 unknown keys
  ["limit: {}", "limit: unknown key; did you mean limits?"],
  ["limits: { client: 5 }", "limits.client: unknown key; did you mean clients?"],
  ["limits: { messagebytes: 5 }", "limits.messagebytes: unknown key; did you mean messageBytes?"],
  ["channels: [{ match: a, histroy: 1 }]", "channels[0].histroy: unknown key; did you mean history?"],
  [
    "channels: [{ match: a, history: { size: 1, tll: 1s } }]",
    "channels[0].history.tll: unknown key; did you mean ttl?",
  ],
  ["log: { colour: true }", "log.colour: unknown key; known are level, levels, form"],
  ["__proto__: { clients: 1 }", "__proto__: unknown key; known are"],
  ["constructor: 1", "constructor: unknown key; known are"],
  ['"limits\\n[2026] INFO | x": 1', "limits?[2026] INFO | x: unknown key"],
  // C11 wrong types
  ["limits: 5", "limits: must be a mapping of keys"],
  ["limits:", "limits: must be a mapping of keys"],
  ["limits: { clients: many }", "limits.clients: must be a whole number, not a text"],
  ["limits: { clients: 1.5 }", "limits.clients: is 1.5: give a whole number from 1 to 1000000"],
  ["limits: { clients: .inf }", "limits.clients: is Infinity: give a whole number from 1 to 1000000"],
  ["limits: { clients: [1] }", "limits.clients: must be a whole number, not a list"],
  ["channels: {}", "channels: must be a list"],
  ["channels: []", "channels: is an empty list: give at least one entry, or leave the key out"],
  ["channels: [public]", "channels[0]: must be a mapping of keys"],
  ["channels: [{ kind: public }]", "channels[0].match: is missing"],
  ["channels: [{ match: a, presence: 'yes' }]", "channels[0].presence: must be true or false, not a text"],
  ["channels: [{ match: a, delta: xdelta }]", 'channels[0].delta: must be "fossil", or left out'],
  ["channels: [{ match: a, recovery: latest }]", 'channels[0].recovery: must be true, false or "cache"'],
  ["channels: [{ match: a, tagsFilter: 1 }]", "channels[0].tagsFilter: must be true or false, not a number"],
  [
    "channels: [{ match: a, publish: everyone }]",
    'channels[0].publish: is "everyone": give server, subscribers or clients',
  ],
  ["channels: [{ match: a, history: { size: 5 } }]", "channels[0].history.ttl: is missing"],
  ["log: { levels: { ws: loud } }", 'log.levels.ws: is "loud"'],
  ["log: { form: xml }", 'log.form: is "xml": give tree, json or logfmt'],
  ["listen: http://127.0.0.1:8000", "listen: must be a list"],
  ["listen: [8000]", "listen[0]: must be a mapping of keys"],
  // C13 ports
  ["listen: [http://127.0.0.1:0]", 'listen[0]: has the port "0": give a number from 1 to 65535'],
  ["listen: [http://127.0.0.1:65536]", 'listen[0]: has the port "65536": give a number from 1 to 65535'],
  ["listen: [http://127.0.0.1:-1]", 'listen[0]: has the port "-1": give a number from 1 to 65535'],
  ["listen: [http://127.0.0.1:80a]", 'listen[0]: has the port "80a": give a number from 1 to 65535'],
  ["internal: [{ url: http://127.0.0.1:0 }]", 'internal[0]: has the port "0": give a number from 1 to 65535'],
  ["listen: [http://127.0.0.1]", "listen[0]: has no port: write it like http://127.0.0.1:8000"],
  ["listen: [http://127.0.0.256:80]", "listen[0]: has a host that is neither an IP address nor a name"],
  ["listen: ['http://[::1:80']", "listen[0]: must be a URL like http://127.0.0.1:8000"],
  ["listen: ['http://::1:80']", "listen[0]: must be a URL like http://127.0.0.1:8000"],
  ["listen: [127.0.0.1:8000]", "listen[0]: must be a URL like http://127.0.0.1:8000"],
  ["listen: [http://127.0.0.1:8000/chat]", "listen[0]: must be a host and a port alone, without path or query"],
  [
    "listen: [gopher://127.0.0.1:70]",
    'listen[0]: has the unknown scheme "gopher": use http:, https:, tcp:, tcps:, unix:',
  ],
  [
    "listen: [ws://127.0.0.1:80]",
    'listen[0]: has the scheme "ws": use http://, which serves WebSocket at /connection/websocket',
  ],
  ["listen: [tcp://127.0.0.1]", "listen[0]: has no port: write it like tcp://127.0.0.1:7000"],
  [
    "listen: ['tcp://127.0.0.1:7000?format=xml']",
    "listen[0]: has a query that is not ?format=json or ?format=protobuf",
  ],
  ["listen: ['udp://127.0.0.1:7000?format=json']", "listen[0]: must be a host and a port alone"],
  ["listen: ['unix:polywire.sock']", "listen[0]: must be a URL like unix:/run/polywire.sock"],
  ["listen: ['unix:/run/']", "listen[0]: must be a URL like unix:/run/polywire.sock"],
  [`listen: ['unix:/${"a".repeat(103)}']`, "listen[0]: has a path over 103 bytes"],
  ["internal: [tcp://127.0.0.1:80]", 'internal[0]: has the scheme "tcp": an internal address is http://, https://'],
  // C14 the same address twice
  [
    "listen: [http://127.0.0.1:80, 'http://127.0.0.1:80/']",
    "listen[1]: http://127.0.0.1:80 is the same address as listen[0]",
  ],
  [
    "listen: [http://127.0.0.1:80, grpc://127.0.0.1:80]",
    "listen[1]: grpc://127.0.0.1:80 is at the place of http://127.0.0.1:80 in listen[0]",
  ],
  [
    "{ listen: [tcp://127.0.0.1:80], internal: [http://127.0.0.1:80] }",
    "internal[0]: http://127.0.0.1:80 is at the place of tcp://127.0.0.1:80 in listen[0]",
  ],
  ["listen: [{ url: http://127.0.0.1:80, pong: false }]", "listen[0].pong: may be false for tcp, tcps and unix alone"],
  // C33, C34 certificates
  ["listen: [https://127.0.0.1:443]", "listen[0].tls: is missing: https needs { certFile, keyFile }"],
  ["listen: [{ url: grpcs://127.0.0.1:443, tls: { certFile: a } }]", "listen[0].tls.keyFile: is missing"],
  [
    "listen: [{ url: http://127.0.0.1:80, tls: { certFile: a, keyFile: b } }]",
    "listen[0].tls: does not go with http: use https, or leave it out",
  ],
  [
    "listen: [{ url: udp://127.0.0.1:80, tls: { certFile: a, keyFile: b } }]",
    "listen[0].tls: does not go with udp: leave it out",
  ],
  [
    "listen: [{ url: https://127.0.0.1:443, tls: { certFile: /missing.pem, keyFile: b } }]",
    "listen[0].tls.certFile: /missing.pem: no such file",
  ], // C16, C21 durations
  [
    "channels: [{ match: a, history: { size: 5, ttl: -5s } }]",
    'channels[0].history.ttl: is "-5s": a duration cannot be negative',
  ],
  [
    "channels: [{ match: a, history: { size: 5, ttl: -5 } }]",
    "channels[0].history.ttl: is -5: a duration cannot be negative",
  ],
  [
    "channels: [{ match: a, history: { size: 5, ttl: 300 } }]",
    "channels[0].history.ttl: is 300: write the unit too, like 300s",
  ],
  [
    "channels: [{ match: a, history: { size: 5, ttl: 5 m } }]",
    'channels[0].history.ttl: is "5 m": write a whole number and a unit',
  ],
  [
    "channels: [{ match: a, history: { size: 5, ttl: 1.5h } }]",
    'channels[0].history.ttl: is "1.5h": write a whole number and a unit',
  ],
  [
    "channels: [{ match: a, history: { size: 5, ttl: 5000d } }]",
    'channels[0].history.ttl: is "5000d": give at most 365d',
  ],
  ["client: { pingInterval: 5s, pongTimeout: 5s }", "client.pongTimeout: must be less than client.pingInterval"],
  ["client: { pingInterval: 5500ms }", "client.pongTimeout: must be less than client.pingInterval"],
  ["client: { pingInterval: 9500ms }", "client.pingInterval: must be whole seconds"],
  // C19 sizes
  [
    "limits: { messageBytes: 64kb }",
    'limits.messageBytes: is "64kb": the unit "kb" is ambiguous, write 64KiB (powers of 1024) or 64000B',
  ],
  [
    "limits: { messageBytes: 1M }",
    'limits.messageBytes: is "1M": the unit "M" is ambiguous, write 1MiB (powers of 1024) or 1000000B',
  ],
  ["limits: { messageBytes: 64 KiB }", 'limits.messageBytes: is "64 KiB": write a size like 64KiB or 1MiB'],
  ["limits: { messageBytes: 5XB }", 'limits.messageBytes: is "5XB": the units are B, KiB, MiB and GiB'],
  ["limits: { messageBytes: -1 }", "limits.messageBytes: is -1: a size cannot be negative"],
  ["limits: { messageBytes: 4GiB }", 'limits.messageBytes: is "4GiB": give at most 1GiB'],
  ["limits: { queueBytes: 64KiB }", "limits.queueBytes: must be at least limits.messageBytes"],
  // C20 a limit of 0
  ["limits: { clients: 0 }", "limits.clients: is 0: give a whole number from 1 to 1000000"],
  ["limits: { messageBytes: 0 }", "limits.messageBytes: is 0: give at least 1KiB"],
  ["limits: { channelsPerClient: 0 }", "limits.channelsPerClient: is 0: give a whole number from 1"],
  [
    "channels: [{ match: a, history: { size: 0, ttl: 1s } }]",
    "channels[0].history.size: is 0: give a whole number from 1",
  ],
  ["channels: [{ match: a, history: { size: 5, ttl: 0s } }]", 'channels[0].history.ttl: is "0s": give at least 1ms'],
  // C24, C25 channels
  ["channels: [{ match: a }, { match: a }]", 'channels[1].match: "a" is the same as channels[0].match "a"'],
  [
    "channels: [{ match: '*' }, { match: 'a:*' }]",
    'channels[1].match: "a:*" is never reached: channels[0].match "*" takes all its names',
  ],
  [
    "channels: [{ match: 'a*' }, { match: b }, { match: 'a*:*c' }]",
    'channels[2].match: "a*:*c" is never reached: channels[0].match "a*"',
  ],
  ["channels: [{ match: 'a:**' }, { match: 'a:*' }]", 'channels[1].match: "a:*" is never reached'],
  ["channels: [{ match: a, recovery: true }]", "channels[0].recovery: needs history"],
  ["channels: [{ match: a, recovery: cache }]", "channels[0].recovery: needs history"],
  ["channels: [{ match: a, joinLeave: true }]", "channels[0].joinLeave: needs presence: true"],
  ["channels: [{ match: '' }]", "channels[0].match: is empty"],
  [
    "channels: [{ match: a, overflow: drop }]",
    'channels[0].overflow: is "drop": give disconnect, drop-oldest, drop-newest or keep-latest',
  ],
  [
    "channels: [{ match: a, history: { size: 5, ttl: 1s }, recovery: true, overflow: drop-oldest }]",
    "channels[0].overflow: drop-oldest drops publications, and clients with recovery rely on missing none",
  ],
  [
    "channels: [{ match: a, positioning: true, overflow: keep-latest }]",
    "channels[0].overflow: keep-latest drops publications, and clients with positioning rely on missing none",
  ],
  [
    "channels: [{ match: a, overflow: drop-newest, overflowKey: symbol }]",
    "channels[0].overflowKey: goes with overflow: keep-latest alone",
  ],
  ["channels: [{ match: a, maxSubscribers: 0 }]", "channels[0].maxSubscribers: is 0: give a whole number from 1"],
  // C27 origins
  [
    "client: { allowedOrigins: [example.com] }",
    "client.allowedOrigins[0]: must begin with its scheme, like https://example.com",
  ],
  ["client: { allowedOrigins: [//example.com] }", "client.allowedOrigins[0]: must begin with its scheme"],
  [
    "client: { allowedOrigins: [https://example.com/path] }",
    "client.allowedOrigins[0]: must be scheme, host and port alone",
  ],
  ["client: { allowedOrigins: https://example.com }", "client.allowedOrigins: must be a list"],
  ["client: { personalChannels: 'me#' }", "client.personalChannels: must be the name before the #"],
  [
    "client: { personalChannels: me }\nchannels: [{ match: 'chat:*' }]",
    'client.personalChannels: needs a rule for "me#*" among the channels',
  ],
  // The server API
  ["api: c4n4ry", "api: must be a mapping of keys"],
  ["api: { keys: [c4n4ry] }", "api.keys: unknown key; did you mean key?"],
  ["api: { key: c4n4ry }", "api.key: has 6 characters: give 16 to 1024 that cannot be guessed"],
  ["api: { key: 1234567890123456 }", "api.key: must be a text or a list of texts, not a number: put it in quotes"],
  ["api: { key: [] }", "api.key: holds no key"],
  [
    "api: { key: [sixteen-letters-1, 'c4n4ry c4n4ry c4n4ry'] }",
    "api.key: entry 2 has a space, a comma or what is no ASCII",
  ],
  ["api: { keyFile: /nowhere/keys }", "api.keyFile: /nowhere/keys: no such file"],
  ["api: { key: sixteen-letters-1, keyFile: /nowhere }", "api.keyFile: goes without api.key: give one of the two"],
  [
    "internal: [grpc://127.0.0.1:10000]",
    "internal[0]: grpc://127.0.0.1:10000 serves the server API alone, which is off",
  ],
  [
    "channels: [{ match: a, kind: broadcast }]",
    "channels[0].kind: only the server API publishes to a broadcast channel",
  ],
  [`${API}channels: [{ match: 'a*', kind: broadcast }]`, "channels[0].match: must be a name, without *"],
  [
    `${API}channels: [{ match: a, kind: broadcast, publish: clients }]`,
    "channels[0].publish: must be server, or left out",
  ],
  // What a later version will have
  ["client: { tokens: { hmacSecret: c4n4ry } }", "client.tokens: is not supported in this version"],
  [
    "channels: [{ match: a, kind: secret }]",
    'channels[0].kind: is "secret": give public, private, broadcast or system',
  ],
  [
    "channels: [{ match: a, kind: system, subscribe: clients }]",
    "channels[0].match: must be one of $system:connections",
  ],
  ["channels: [{ match: '$system:cpu', kind: system, subscribe: clients }]", "channels[0].match: must be one of"],
  ["channels: [{ match: '$system:*' }]", 'channels[0].match: names that begin with $ need "kind: system"'],
  [
    "channels: [{ match: '$system:*', kind: system }]",
    'channels[0].subscribe: is missing: "clients" lets every client',
  ],
  ["channels: [{ match: '$system:*', kind: system, subscribe: all }]", 'channels[0].subscribe: must be "clients"'],
  ["channels: [{ match: a, subscribe: clients }]", "channels[0].subscribe: goes with kind: system alone"],
  [
    "channels: [{ match: '$system:*', kind: system, subscribe: clients, presence: true }]",
    "channels[0].presence: does not go with kind: system",
  ],
  [
    "channels: [{ match: '$system:*', kind: system, subscribe: clients, publish: clients }]",
    "channels[0].publish: must be server with kind: system",
  ],
])("C: %s", (text, expected) => {
  const line = problem(() => load(text));
  expect(line).toContain(`polywire.yaml: ${expected}`);
  expect(line).not.toContain("c4n4ry");
});

test("a secret near a mistake is not shown", () => {
  expect(problem(() => load('api:\n  key: "c4n4ry\n'))).not.toContain("c4n4ry");
  expect(problem(() => load("listen: ['http://user:c4n4ry@127.0.0.1:80']"))).toBe(
    "polywire.yaml: listen[0]: must not hold a user name or password",
  );
  expect(problem(() => load("client: { allowedOrigins: ['https://user:c4n4ry@example.com'] }"))).toBe(
    "polywire.yaml: client.allowedOrigins[0]: must not hold a user name or password",
  );
});

test("with a key there is a server API, at 9000 and 10000 unless the internal addresses are given", () => {
  const { config } = load(API);
  expect(config.api).toEqual({ keys: ["sixteen-letters-1"], keyFile: undefined });
  expect(config.internal.map(({ url }) => url)).toEqual(["http://127.0.0.1:9000", "grpc://127.0.0.1:10000"]);
  expect(load(`${API}internal: [http://127.0.0.1:9100]`).config.internal.map(({ url }) => url)).toEqual([
    "http://127.0.0.1:9100",
  ]);
  const environment = { POLYWIRE_API_KEY: "sixteen-letters-1, sixteen-letters-2" };
  expect(loadConfig(undefined, environment).config.api.keys).toEqual(["sixteen-letters-1", "sixteen-letters-2"]);
  expect(load(`${API}channels: [{ match: alerts, kind: broadcast }]`).config.channels).toMatchObject([
    { match: "alerts", kind: "broadcast", publish: "server" },
  ]);
});

test("keys may lie in a file that others cannot read, one on each line", () => {
  const file = path.join(directory, "api.keys");
  const read = (text: string): LoadedConfig => {
    fs.writeFileSync(file, text, { mode: 0o600 });
    return load(`api: { keyFile: ${file} }`);
  };
  expect(read("sixteen-letters-1\n\n sixteen-letters-2 \n").config.api).toEqual({ keys: [], keyFile: file });
  expect(problem(() => read("\n"))).toContain(`api.keyFile: ${file}: is empty`);
  const line = problem(() => read("sixteen-letters-1\nc4n4ry\n"));
  expect(line).toContain(`polywire.yaml: api.keyFile: ${file}: line 2 has 6 characters`);
  expect(line).not.toContain("c4n4ry");
  fs.writeFileSync(file, "sixteen-letters-1");
  fs.chmodSync(file, 0o644);
  expect(load(`api: { keyFile: ${file} }`).doubts).toEqual([
    "api.keyFile: every user of this machine may read it: chmod 600",
  ]);
});

test("a server API at a public address is doubted", () => {
  expect(load(`${API}listen: [http://127.0.0.1:80]\ninternal: [http://127.0.0.1:80]`).doubts).toEqual([
    "internal[0]: http://127.0.0.1:80 is public too: whoever has a key has the server API there",
  ]);
});

test("an internal address may equal a public one", () => {
  const { config } = load("listen: [http://127.0.0.1:80]\ninternal: [http://127.0.0.1:80]");
  expect(config.internal[0]?.url).toBe(config.listen[0]?.url);
});

test("C26: any origin is allowed, and doubted; so is an internal address that others reach", () => {
  const system = "channels: [{ match: a }, { match: '$system:*', kind: system, subscribe: clients }]";
  expect(load(`client: { allowedOrigins: ['*'] }\ninternal: [http://0.0.0.0:9000]\n${system}`).doubts).toEqual([
    'client.allowedOrigins: "*" lets pages of any origin connect as their visitor',
    "channels[1].subscribe: every client may watch this server's figures and its log",
    "internal[0]: http://0.0.0.0:9000 may be reached from other machines",
  ]);
});

test("the environment goes over the file, each key by its name", () => {
  const { config } = load("limits: { clients: 5, channelsPerClient: 7 }\nlog: { level: warn }", {
    POLYWIRE_LIMITS_CLIENTS: "6",
    POLYWIRE_LIMITS_MESSAGE_BYTES: "32KiB",
    POLYWIRE_LISTEN: "http://127.0.0.1:8100, http://127.0.0.1:8200",
    POLYWIRE_INTERNAL: '["http://127.0.0.1:9100"]',
    POLYWIRE_CLIENT_ALLOWED_ORIGINS: "https://example.com",
    POLYWIRE_CLIENT_ALLOW_ANONYMOUS: "true",
    POLYWIRE_CHANNELS: "[{ match: a, presence: true }]",
    POLYWIRE_LOG_FORM: "json",
    POLYWIRE_LOG_LEVELS: "{ ws: debug }",
    PATH: "/bin",
  });
  expect(config.limits).toMatchObject({ clients: 6, channelsPerClient: 7, messageBytes: 32_768 });
  expect(config.listen.map((address) => address.port)).toEqual([8100, 8200]);
  expect(config.internal.map((address) => address.port)).toEqual([9100]);
  expect(config.client.allowedOrigins).toEqual(["https://example.com"]);
  expect(config.channels).toMatchObject([{ match: "a", presence: true }]);
  expect(config.log).toEqual({ level: "warn", levels: { ws: "debug" }, form: "json" });
});

test("the file may be named by the environment", () => {
  load("limits: { clients: 9 }");
  const environment = { POLYWIRE_CONFIG: path.join(directory, "polywire.yaml") };
  expect(loadConfig(undefined, environment).config.limits.clients).toBe(9);
});

test("what Kubernetes sets for a service of our name is not ours", () => {
  const { config } = loadConfig(undefined, {
    POLYWIRE_SERVICE_HOST: "10.0.0.1",
    POLYWIRE_PORT: "tcp://10.0.0.1:80",
    POLYWIRE_PORT_80_TCP_ADDR: "10.0.0.1",
    POLYWIRE_TOKEN: "of polywire sub",
  });
  expect(config.limits.clients).toBe(10_000);
});

test.each([
  // C32 the wrong type
  ["POLYWIRE_LIMITS_CLIENTS", "many", "POLYWIRE_LIMITS_CLIENTS (limits.clients): must be a whole number, not a text"],
  ["POLYWIRE_LIMITS_CLIENTS", "", "POLYWIRE_LIMITS_CLIENTS (limits.clients): must be a whole number, not a text"],
  ["POLYWIRE_LIMITS_CLIENTS", "0x10", "POLYWIRE_LIMITS_CLIENTS (limits.clients): must be a whole number, not a text"],
  [
    "POLYWIRE_CLIENT_ALLOW_ANONYMOUS",
    "yes",
    "POLYWIRE_CLIENT_ALLOW_ANONYMOUS (client.allowAnonymous): must be true or false",
  ],
  ["POLYWIRE_LIMITS_MESSAGE_BYTES", "64kb", 'POLYWIRE_LIMITS_MESSAGE_BYTES (limits.messageBytes): is "64kb"'],
  [
    "POLYWIRE_LISTEN",
    "http://127.0.0.1:80, tcp://x",
    "POLYWIRE_LISTEN (listen[1]): has no port: write it like tcp://127.0.0.1:7000",
  ],
  [
    "POLYWIRE_CHANNELS",
    "[{ match: a, kid: 1 }]",
    "POLYWIRE_CHANNELS (channels[0].kid): unknown key; did you mean kind?",
  ],
  ["POLYWIRE_CHANNELS", "[{", "POLYWIRE_CHANNELS (channels): must be a list"],
  ["POLYWIRE_LOG_LEVEL", "loud", 'POLYWIRE_LOG_LEVEL (log.level): is "loud"'],
  // What does not exist
  [
    "POLYWIRE_LIMITS_CLIENT",
    "5",
    "POLYWIRE_LIMITS_CLIENT: unknown environment variable; did you mean POLYWIRE_LIMITS_CLIENTS?",
  ],
  ["POLYWIRE_API_KEY", "c4n4ry", "POLYWIRE_API_KEY (api.key): entry 1 has 6 characters"],
  ["POLYWIRE_API_KEY", "sixteen-letters-1,c4n4ry", "POLYWIRE_API_KEY (api.key): entry 2 has 6 characters"],
])("a wrong variable is named: %s=%s", (variable, text, expected) => {
  const line = problem(() => loadConfig(undefined, { [variable]: text }));
  expect(line).toContain(expected);
  expect(line).not.toContain("c4n4ry");
});

test("C29, C34: key and certificate are read and held against each other before anything is served", () => {
  const names = ["own", "other"] as const;
  for (const name of names) {
    const { cert, key } = makeCertificate({ name, hosts: ["localhost"] });
    fs.writeFileSync(path.join(directory, `${name}.crt`), cert);
    fs.writeFileSync(path.join(directory, `${name}.key`), key, { mode: 0o600 });
  }
  const https = (certFile: string, keyFile: string): string =>
    `listen: [{ url: https://127.0.0.1:443, tls: { certFile: ${directory}/${certFile}, keyFile: ${directory}/${keyFile} } }]`;

  expect(load(https("own.crt", "own.key")).doubts).toEqual([]);
  expect(problem(() => load(https("own.crt", "other.key")))).toBe(
    "polywire.yaml: listen[0].tls.keyFile: is not the key of the certificate in certFile",
  );
  expect(problem(() => load(https("own.key", "own.key")))).toBe(
    "polywire.yaml: listen[0].tls.certFile: is no certificate in PEM",
  );

  fs.chmodSync(path.join(directory, "own.key"), 0o644);
  expect(load(https("own.crt", "own.key")).doubts).toEqual([
    "listen[0].tls.keyFile: every user of this machine may read it: chmod 600",
  ]);
});
