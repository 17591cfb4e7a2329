import { type Framing, type Payload } from "@polywire/core";
/** One message as its bytes on the wire: its length, then itself. The payload may be reused afterwards. */
export declare function frame(payload: Payload): Buffer;
/** All links frame alike, so they share this one object, and what is prepared with it. */
export declare const framing: Framing;
/** Cuts the bytes that arrive into messages. Knows no socket: its tests feed bytes, split anywhere. */
export declare class Decoder {
  #private;
  constructor(maxMessageBytes: number);
  /** Bytes of a message that is not whole yet. */
  get pendingBytes(): number;
  /** @throws PolywireError `too-large`, before any of a message that is too large is kept. */
  feed(chunk: Buffer, take: (message: Buffer) => void): void;
}
//# sourceMappingURL=frame.d.ts.map
