import fc from "fast-check";
import { expect, test } from "vitest";
import { type FramedBytes, Outbox, type OutboxLimits, type SendResult, systemClock, Turn } from "../src/index.ts";
import { framed } from "./framed.ts";

/** A turn that ends when the test says so. */
function manualTurn(): { turn: Turn; end: () => void } {
  let due: (() => void)[] = [];
  const turn = new Turn({ ...systemClock, endOfTurn: (callback) => void due.push(callback) });
  return {
    turn,
    end() {
      const now = due;
      due = [];
      for (const callback of now) callback();
    },
  };
}

/** A wire whose operating system takes everything at once, or only when told. */
class RecordingWire {
  readonly writes: string[][] = [];
  readonly buffers: Uint8Array[] = [];
  takesAtOnce = true;
  drains = 0;
  onDrained: () => void = () => {};

  write(buffers: readonly Uint8Array[], byteLength: number): boolean {
    const sum = buffers.reduce((total, buffer) => total + buffer.byteLength, 0);
    if (sum !== byteLength) throw new Error(`told ${byteLength} bytes, got ${sum}`);
    this.writes.push(buffers.map((buffer) => new TextDecoder().decode(buffer)));
    this.buffers.push(...buffers);
    return this.takesAtOnce;
  }

  drained(): void {
    this.drains++;
    this.onDrained();
  }

  get text(): string {
    return this.writes.flat().join("");
  }
}

const roomy: OutboxLimits = { waitAboveBytes: 1_000, maxBufferedBytes: 2_000 };

test("what a turn sends leaves at its end, in one write, in order", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  const outbox = new Outbox(turn, wire, roomy);
  expect(outbox.send(framed("a"))).toBe("sent");
  expect(outbox.sendOwn(framed("b").bytes)).toBe("sent");
  expect(outbox.send(framed("c"))).toBe("sent");
  expect(outbox.send(framed("d"))).toBe("sent");
  expect(wire.writes).toEqual([]);
  expect(outbox.bufferedBytes).toBe(4);
  end();
  expect(wire.writes).toEqual([["a", "b", "cd"]]);
  expect(outbox.bufferedBytes).toBe(0);
});

test("links that were sent the same share the joined bytes", () => {
  const { turn, end } = manualTurn();
  const wires = [new RecordingWire(), new RecordingWire(), new RecordingWire()];
  const [first, second, third] = wires.map((wire) => new Outbox(turn, wire, roomy)) as [Outbox, Outbox, Outbox];
  const messages = [framed("x"), framed("y"), framed("z")];
  for (const message of messages) for (const outbox of [first, second]) outbox.send(message);
  for (const message of messages.toReversed()) third.send(message);
  end();
  expect(wires.map((wire) => wire.text)).toEqual(["xyz", "xyz", "zyx"]);
  expect(wires[0]?.buffers[0]).toBe(wires[1]?.buffers[0]);
});

test("while the operating system is behind everything gathers, then leaves together", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  wire.takesAtOnce = false;
  const outbox = new Outbox(turn, wire, roomy);
  outbox.send(framed("1"));
  end();
  outbox.send(framed("2"));
  end();
  outbox.send(framed("3"));
  end();
  outbox.flush();
  expect(wire.writes).toEqual([["1"]]);
  expect(outbox.bufferedBytes).toBe(3);
  outbox.written();
  expect(wire.writes).toEqual([["1"], ["23"]]);
  expect(outbox.bufferedBytes).toBe(2);
  outbox.written();
  expect(outbox.bufferedBytes).toBe(0);
});

test("wait above the mark, refused past the maximum, one drain at half the mark", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  wire.takesAtOnce = false;
  const outbox = new Outbox(turn, wire, { waitAboveBytes: 4, maxBufferedBytes: 8 });
  expect(outbox.send(framed("1234"))).toBe("sent");
  end();
  expect(outbox.send(framed("5"))).toBe("wait");
  expect(outbox.send(framed("678"))).toBe("wait");
  expect(outbox.refusal).toBe(undefined);
  expect(outbox.send(framed("9"))).toBe("refused");
  expect(outbox.refusal).toBe("overflow");
  outbox.written();
  expect(wire.drains).toBe(0);
  outbox.written();
  expect(wire.drains).toBe(1);
  expect(wire.text).toBe("12345678");
});

test("a message larger than the buffer is taken when nothing is buffered", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  wire.takesAtOnce = false;
  const outbox = new Outbox(turn, wire, { waitAboveBytes: 2, maxBufferedBytes: 4 });
  expect(outbox.sendOwn(framed("too large").bytes)).toBe("wait");
  expect(outbox.sendOwn(framed("!").bytes)).toBe("refused");
  end();
  outbox.written();
  expect(wire.text).toBe("too large");
  expect(wire.drains).toBe(1);
});

test("the number of waiting messages is limited too", () => {
  const { turn } = manualTurn();
  const wire = new RecordingWire();
  wire.takesAtOnce = false;
  const outbox = new Outbox(turn, wire, { waitAboveBytes: 1e9, maxBufferedBytes: 1e9 });
  const message = framed("x");
  let accepted = 0;
  while (outbox.send(message) !== "refused") accepted++;
  // As many are on their way when it has to be asked whether the peer is behind.
  expect(accepted).toBe(2 * 65_536);
  expect(outbox.refusal).toBe("overflow");
});

test("a turn that produces more than the buffer holds refuses nothing while the operating system takes it", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  const outbox = new Outbox(turn, wire, { waitAboveBytes: 4, maxBufferedBytes: 10 });
  const sent = ["aaaa", "bbbb", "cccc", "dddd", "eeee"];
  for (const text of sent) expect(outbox.send(framed(text))).not.toBe("refused");
  expect(wire.drains).toBe(0);
  end();
  expect(wire.text).toBe(sent.join(""));
  expect(wire.drains).toBe(1);
});

test("sending inside drained keeps the order and leaves with the next turn", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  const outbox = new Outbox(turn, wire, { waitAboveBytes: 1, maxBufferedBytes: 100 });
  wire.onDrained = () => {
    if (wire.drains < 3) outbox.send(framed(`(${wire.drains})`));
  };
  expect(outbox.send(framed("start"))).toBe("wait");
  end();
  expect(wire.text).toBe("start");
  end();
  end();
  expect(wire.text).toBe("start(1)(2)");
  expect(wire.drains).toBe(3);
});

test("a closed outbox refuses, what it had accepted still leaves", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  const outbox = new Outbox(turn, wire, roomy);
  outbox.send(framed("last words"));
  outbox.close();
  expect(outbox.send(framed("late"))).toBe("refused");
  expect(outbox.sendOwn(framed("late").bytes)).toBe("refused");
  expect(outbox.refusal).toBe("closed");
  end();
  expect(wire.text).toBe("last words");
});

test("discarding counts what is lost, in flight included, and drains no more", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  wire.takesAtOnce = false;
  const outbox = new Outbox(turn, wire, { waitAboveBytes: 1, maxBufferedBytes: 100 });
  outbox.send(framed("12"));
  end();
  outbox.send(framed("345"));
  expect(outbox.discard()).toBe(5);
  expect(outbox.discard()).toBe(0);
  outbox.written();
  end();
  expect(wire.text).toBe("12");
  expect(wire.drains).toBe(0);
});

test("a run over a mebibyte is handed over in parts instead of being joined", () => {
  const { turn, end } = manualTurn();
  const wire = new RecordingWire();
  const outbox = new Outbox(turn, wire, { waitAboveBytes: 8_000_000, maxBufferedBytes: 8_000_000 });
  const half = framed("h".repeat(600_000));
  outbox.send(half);
  outbox.send(framed("-"));
  outbox.send(half);
  outbox.send(framed("end"));
  end();
  expect(wire.buffers.map((buffer) => buffer.byteLength)).toEqual([600_000, 1, 600_000, 3]);
  expect(wire.buffers[0]).toBe(half.bytes);
});

type Command =
  | { readonly kind: "send"; readonly link: number; readonly message: number }
  | { readonly kind: "own"; readonly link: number; readonly length: number }
  | { readonly kind: "turn" }
  | { readonly kind: "stall"; readonly link: number }
  | { readonly kind: "take"; readonly link: number };

const LINKS = 3;
const link = fc.nat({ max: LINKS - 1 });
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("send" as const), link, message: fc.nat({ max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("own" as const), link, length: fc.nat({ max: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("turn" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stall" as const), link }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const), link }) },
);

test("random sends, stalls and turns: order, limits, wait and drain agree with a simple model", () => {
  const limits: OutboxLimits = { waitAboveBytes: 20, maxBufferedBytes: 60 };
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      const { turn, end } = manualTurn();
      const shared = ["a", "bb", "ccc", "dddddddd", "eeeeeeeeeeeeeeee"].map(framed);
      const ends = Array.from({ length: LINKS }, () => {
        const wire = new RecordingWire();
        return {
          wire,
          outbox: new Outbox(turn, wire, limits),
          accepted: "",
          taken: 0,
          isWaiting: false,
          drains: 0,
          own: 0,
        };
      });
      const takeAll = (end: (typeof ends)[number]): void => {
        end.taken = end.wire.text.length;
        if (!end.isWaiting || end.accepted.length - end.taken > limits.waitAboveBytes / 2) return;
        end.isWaiting = false;
        end.drains++;
      };
      const expectResult = (end: (typeof ends)[number], text: string, result: SendResult): void => {
        // What does not fit is handed over first; what an operating system takes at once is not buffered any more.
        if (end.wire.takesAtOnce) end.taken = end.wire.text.length;
        const buffered = end.accepted.length - end.taken;
        if (buffered > 0 && buffered + text.length > limits.maxBufferedBytes) {
          expect(result).toBe("refused");
          return;
        }
        end.accepted += text;
        if (buffered + text.length > limits.waitAboveBytes) end.isWaiting = true;
        expect(result).toBe(buffered + text.length > limits.waitAboveBytes ? "wait" : "sent");
      };
      for (const step of commands) {
        if (step.kind === "turn") {
          end();
          for (const each of ends) if (each.wire.takesAtOnce) takeAll(each);
          continue;
        }
        const each = ends[step.link] as (typeof ends)[number];
        if (step.kind === "send") {
          const message = shared[step.message] as FramedBytes;
          expectResult(each, new TextDecoder().decode(message.bytes), each.outbox.send(message));
        } else if (step.kind === "own") {
          const text = String(each.own++ % 10).repeat(step.length);
          expectResult(each, text, each.outbox.sendOwn(framed(text).bytes));
        } else if (step.kind === "stall") {
          each.wire.takesAtOnce = false;
        } else if (each.accepted.length > each.taken && !each.wire.takesAtOnce) {
          each.wire.takesAtOnce = true;
          each.outbox.written();
          takeAll(each);
        }
        expect(each.accepted.startsWith(each.wire.text)).toBe(true);
        expect(each.outbox.bufferedBytes).toBe(each.accepted.length - each.taken);
        expect(each.wire.drains).toBe(each.drains);
      }
      for (const each of ends) {
        each.wire.takesAtOnce = true;
        each.outbox.written();
      }
      end();
      for (const each of ends) {
        expect(each.wire.text).toBe(each.accepted);
        expect(each.outbox.bufferedBytes).toBe(0);
      }
    }),
    { numRuns: 500 },
  );
});
