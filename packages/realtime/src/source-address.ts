/** Letters that IPv6 addresses of IPv4 hosts begin with. */
const MAPPED_IPV4 = "::ffff:";

/** How much of an IPv6 address is given to one household: 64 bits. */
const PREFIX_GROUPS = 4;

/**
 * Whom an address stands for when sources are counted: an IPv4 address for itself, also as a mapped one; an IPv6 address
 * for its network of 64 bits, for whoever has one address of those has them all. Anything else stands for itself.
 */
export function sourceOf(address: string): string {
  if (!address.includes(":")) return address;
  const lower = address.toLowerCase();
  if (lower.startsWith(MAPPED_IPV4) && lower.includes(".")) return lower.slice(MAPPED_IPV4.length);
  const [head = "", tail] = lower.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    while (groups.length + last.length < 2 * PREFIX_GROUPS) groups.push("0");
    groups.push(...last);
  }
  const prefix = groups.slice(0, PREFIX_GROUPS).map((group) => group.replace(/^0+(?=.)/, ""));
  return `${prefix.join(":")}::`;
}
