import { JsonCodec } from "../src/json-codec.ts";
import { ProtobufCodec } from "../src/protobuf-codec.ts";

/*
 * Nanoseconds per call of the frequent messages, `JSON.parse` beside them:
 * `node --conditions @polywire/source bench/codec.ts`.
 */
const ROUNDS = 5;
const CALLS = 100_000;

const json = new JsonCodec();
const protobuf = new ProtobufCodec();
const text = `{"text":"${"x".repeat(117)}"}`;
const bytes = Buffer.from(text);
const info = { user: "42", client: "6a1e8c0e-4c3b-4d5e-9f00-0123456789ab" };
const jsonPublish = `{"publish":{"channel":"chat:room","data":${text}},"id":4}`;
const protobufPublish = Buffer.concat([
  Buffer.from("9101" + "0804" + "3a8c01" + "0a09", "hex"),
  Buffer.from("chat:room"),
  Buffer.from("127f", "hex"),
  bytes,
]);

const cases: Record<string, () => unknown> = {
  "push, JSON": () => json.pushPublication("chat:room", { data: bytes, format: "json", info, offset: 123_456 }),
  "push, Protobuf": () => protobuf.pushPublication("chat:room", { data: bytes, format: "json", info, offset: 123_456 }),
  "publish command, JSON": () => json.read(jsonPublish).next(),
  "publish command, JSON.parse": () => JSON.parse(jsonPublish),
  "publish command, Protobuf": () => protobuf.read(protobufPublish).next(),
  "empty reply, JSON": () => json.done(7, "publish"),
  "empty reply, Protobuf": () => protobuf.done(7, "publish"),
};

const best = new Map<string, number>();
let kept: unknown;
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, call] of Object.entries(cases)) {
    const start = performance.now();
    for (let index = 0; index < CALLS; index++) kept = call();
    const nanoseconds = ((performance.now() - start) * 1e6) / CALLS;
    best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, nanoseconds));
  }
}
if (kept === undefined) throw new Error("nothing was measured");
for (const [name, nanoseconds] of best) console.log(`${name.padEnd(30)}${nanoseconds.toFixed(0).padStart(6)} ns`);
