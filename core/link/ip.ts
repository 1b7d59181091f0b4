/** IP addresses as text and bytes (RFC 4291, RFC 5952). */

/** Four bytes, or null. Exactly four decimal numbers: no octal, no shortened forms. */
export function parseIp4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = new Uint8Array(4);
  for (const [index, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes[index] = Number(part);
  }
  return bytes;
}

/** Sixteen bytes, or null. Takes `::` and a trailing IPv4; no zone. */
export function parseIp6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return null;
  return Uint8Array.from([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

/** RFC 5952: lower case, the longest run of two or more zero groups shortened. */
export function formatIp6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  let best = 0;
  let bestAt = -1;
  for (let at = 0; at < 8; at++) {
    let run = 0;
    while (at + run < 8 && groups[at + run] === 0) run++;
    if (run > best) {
      best = run;
      bestAt = at;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (best < 2) return hex.join(":");
  return `${hex.slice(0, bestAt).join(":")}::${hex.slice(bestAt + best).join(":")}`;
}

function parseGroups(text: string, mayEndInIp4: boolean): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (group.includes(".")) {
      const ip4 = mayEndInIp4 && index === groups.length - 1 ? parseIp4(group) : null;
      if (ip4 === null) return null;
      bytes.push(...ip4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes.length > 16 ? null : bytes;
}
