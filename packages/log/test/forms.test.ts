import { expect, test } from "vitest";
import { collect } from "./collector.ts";

test("the tree form is a headline and one branch per field", () => {
  const { logger, text } = collect({ form: "tree" });
  logger.log("info", "network", "connection opened", {
    connection: "conn_896162d4",
    endpoint: "tcp://localhost:8080",
    protocol: "tcp",
  });
  expect(text()).toBe(
    [
      "[2026-06-01T18:18:44.500000] INFO | network | connection opened",
      "├── connection: conn_896162d4",
      "├── endpoint: tcp://localhost:8080",
      "└── protocol: tcp",
      "",
    ].join("\n"),
  );
});

test("the tree form nests objects, keeps lists on a line and gives lines of text their own gutter", () => {
  const { logger, text } = collect({ form: "tree" });
  logger.log("warn", "hub", "slow", {
    limits: { clients: 10, queue: { bytes: 4096 } },
    channels: ["a", "b"],
    note: "first\n├── forged: yes\n[2026-01-01T00:00:00.000000] ERROR | x | y",
    sessions: [{ id: 1 }, { id: 2 }],
    none: null,
    empty: "",
    nothing: {},
  });
  expect(text().split("\n").slice(1)).toEqual([
    "├── limits:",
    "│   ├── clients: 10",
    "│   └── queue:",
    "│       └── bytes: 4096",
    '├── channels: ["a","b"]',
    "├── note:",
    "│   ┊ first",
    "│   ┊ ├── forged: yes",
    "│   ┊ [2026-01-01T00:00:00.000000] ERROR | x | y",
    "├── sessions:",
    "│   ├── 0:",
    "│   │   └── id: 1",
    "│   └── 1:",
    "│       └── id: 2",
    "├── none: null",
    '├── empty: ""',
    "└── nothing: {}",
    "",
  ]);
});

test("the json form is one object a line, time, level, component and message first", () => {
  const { logger, text } = collect({ form: "json" });
  logger.log("error", "ws", "handshake failed", { status: 400, peer: { address: "::1" } });
  expect(text()).toBe(
    '{"level":"error","time":"2026-06-01T18:18:44.500000Z","component":"ws","status":400,"peer":{"address":"::1"},"message":"handshake failed"}\n',
  );
});

test("the logfmt form is one line of pairs, nested names joined with dots", () => {
  const { logger, text } = collect({ form: "logfmt" });
  logger.log("debug", "ws", "not written");
  logger.log("info", "ws", "link closed", { code: 3001, reason: 'say "bye"', peer: { address: "::1" }, empty: "" });
  expect(text()).toBe(
    'time=2026-06-01T18:18:44.500000Z level=info component=ws message="link closed" ' +
      'code=3001 reason="say \\"bye\\"" peer.address=::1 empty=""\n',
  );
});

test("a level below the least severe one is not written, and silent writes nothing", () => {
  const warnings = collect({ level: "warn" });
  warnings.logger.log("info", "x", "quiet");
  warnings.logger.log("warn", "x", "loud");
  expect(warnings.text()).toContain("loud");
  expect(warnings.text()).not.toContain("quiet");

  const silent = collect({ level: "silent" });
  silent.logger.log("error", "x", "nothing");
  expect(silent.text()).toBe("");
});

test("microseconds follow the monotonic clock, and the wall clock when it is set", () => {
  let wallMs = Date.UTC(2026, 0, 1);
  let nowMs = 5;
  const clock = {
    now: () => nowMs,
    wallTime: () => Math.floor(wallMs),
    setTimer: () => ({ cancel: () => {} }),
    endOfTurn: () => {},
  };
  const { logger, text } = collect({ form: "logfmt", clock });
  const pass = (ms: number): void => {
    wallMs += ms;
    nowMs += ms;
  };
  logger.log("info", "x", "a");
  pass(0.25);
  logger.log("info", "x", "b");
  pass(10.5);
  logger.log("info", "x", "c");
  wallMs -= 3_600_000;
  logger.log("info", "x", "d");
  expect(text().match(/time=\S+/g)).toEqual([
    "time=2026-01-01T00:00:00.000000Z",
    "time=2026-01-01T00:00:00.000250Z",
    "time=2026-01-01T00:00:00.010750Z",
    "time=2025-12-31T23:00:00.010000Z",
  ]);
});

test("a field cannot replace what the event says of itself", () => {
  const { logger, text } = collect({ form: "json" });
  logger.log("info", "config", "read", { time: "never", level: "error", component: "other", message: "forged" });
  expect(JSON.parse(text())).toEqual({
    time: "2026-06-01T18:18:44.500000Z",
    level: "info",
    component: "config",
    message: "read",
    time_: "never",
    level_: "error",
    component_: "other",
    message_: "forged",
  });
});

test("values of every kind are shown, and none makes the logger throw", () => {
  const circular: Record<string, unknown> = { name: "loop" };
  circular.self = circular;
  const hostile = {
    get trap(): string {
      throw new Error("no");
    },
  };
  const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  const { logger, text } = collect({ form: "json" });
  logger.log("info", "x", "values", {
    bytes: new Uint8Array(12),
    map: new Map([["__proto__", 1]]),
    set: new Set(["a"]),
    date: new Date(0),
    big: 12n,
    infinite: Number.POSITIVE_INFINITY,
    call: () => 1,
    missing: undefined,
    circular,
    hostile,
    failure: new Error("dial failed", { cause }),
  });
  const event = JSON.parse(text());
  expect(event).toMatchObject({
    bytes: "(12 bytes)",
    set: ["a"],
    date: "1970-01-01T00:00:00.000Z",
    big: "12",
    infinite: "Infinity",
    call: "(function)",
    circular: { name: "loop", self: "(circular)" },
    hostile: "(unreadable)",
    failure: { name: "Error", message: "dial failed", cause: { message: "refused", code: "ECONNREFUSED" } },
  });
  expect(text()).toContain('"__proto__":1');
  expect(event).not.toHaveProperty("missing");
  expect(event.failure.stack).toMatch(/^at /);
});

test("fields that cannot be read do not make the logger throw", () => {
  const { logger, text } = collect({ form: "json" });
  logger.log("info", "x", "trap", {
    get trap() {
      throw new Error("no");
    },
  });
  expect(JSON.parse(text())).toMatchObject({ message: "trap", fields: "(unreadable)" });
});

test("long, wide and deep values are cut, and say so", () => {
  let deep: unknown = "bottom";
  for (let level = 0; level < 50; level += 1) deep = { deep };
  const { logger, text } = collect({ form: "json" });
  logger.log("info", "x", "m".repeat(100_000), {
    text: "t".repeat(100_000),
    list: Array.from({ length: 10_000 }, (_, index) => index),
    wide: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, index])),
    deep,
  });
  const event = JSON.parse(text());
  expect(event.text).toMatch(/^t{4096}… \(100000 characters\)$/);
  expect(event.message.length).toBeLessThan(4_200);
  expect(event.list.at(-1)).toBe("… 9936 more");
  expect(event.wide["…"]).toBe("9936 more");
  expect(text()).toContain("(nested deeper)");
});

test("the tree form shows an error, what caused it and what that was caused by", () => {
  const root = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED", stack: undefined });
  const middle = Object.assign(new TypeError("dial failed", { cause: root }), { stack: undefined });
  const top = Object.assign(new AggregateError([middle], "all\naddresses failed"), { stack: undefined });
  const { logger, text } = collect({ form: "tree" });
  logger.log("error", "network", "cannot connect", { error: top, attempt: 3 });
  expect(text().split("\n").slice(1)).toEqual([
    "├── error:",
    "│   ├── name: AggregateError",
    "│   ├── message:",
    "│   │   ┊ all",
    "│   │   ┊ addresses failed",
    "│   └── errors:",
    "│       └── 0:",
    "│           ├── name: TypeError",
    "│           ├── message: dial failed",
    "│           └── cause:",
    "│               ├── name: Error",
    "│               ├── message: connect ECONNREFUSED",
    "│               └── code: ECONNREFUSED",
    "└── attempt: 3",
    "",
  ]);
});
