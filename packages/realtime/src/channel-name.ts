/** Longest UTF-8 form of one UTF-16 unit, in bytes. */
const MAX_BYTES_PER_UNIT = 3;

/** Whether the name takes at most so many bytes as UTF-8. Builds nothing. */
export function fitsBytes(name: string, maxBytes: number): boolean {
  if (name.length > maxBytes) return false;
  if (name.length * MAX_BYTES_PER_UNIT <= maxBytes) return true;
  let bytes = 0;
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index);
    // Each half of a surrogate pair counts for two of its four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : MAX_BYTES_PER_UNIT;
  }
  return bytes <= maxBytes;
}
