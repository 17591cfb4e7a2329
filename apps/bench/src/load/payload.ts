/** What every payload starts with; deliveries are found by it, nothing is parsed. */
const mark = '{"t":"';
const markBytes: Buffer = Buffer.from(mark);
const timeDigits = 16;
const sequenceDigits = 10;
const sequenceAt = mark.length + timeDigits + '","s":"'.length;

export const payloadBytes = 128;

/** A JSON object of exactly 128 bytes with the time it was due (µs) and its number in its channel. */
export function payload(dueUs: number, sequence: number): string {
  const time = String(dueUs).padStart(timeDigits, "0");
  const number = String(sequence).padStart(sequenceDigits, "0");
  const head = `${mark}${time}","s":"${number}","pad":"`;
  return `${head}${"x".repeat(payloadBytes - 2 - head.length)}"}`;
}

function digits(bytes: Buffer, from: number, count: number): number {
  let value = 0;
  for (let index = from; index < from + count; index++) value = value * 10 + (bytes[index] ?? 0) - 48;
  return value;
}

/** Calls back for each payload in a message, of which there may be several. A payload cut short throws. */
export function eachPayload(message: Buffer, found: (dueUs: number, sequence: number) => void): void {
  let at = message.indexOf(markBytes);
  while (at !== -1) {
    if (message.length - at < payloadBytes) throw new Error("a payload was cut short");
    found(digits(message, at + mark.length, timeDigits), digits(message, at + sequenceAt, sequenceDigits));
    at = message.indexOf(markBytes, at + payloadBytes);
  }
}
