/** Addresses to listen on, as people write them. */

/** Where to listen. Port 0 takes a free one. */
export interface Address {
  readonly transport: "tcp" | "ws";
  readonly host: string;
  readonly port: number;
}

const multiaddr = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/\s]+)\/tcp\/(\d{1,5})(\/ws)?$/;
const hostPort = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/;
const ip4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4}$/;
const name = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

/** `0.0.0.0:7070`, `[::]:7070`, `/ip4/0.0.0.0/tcp/7070` or `/ip6/::/tcp/7070/ws`; undefined for anything else. */
export function parseListenAddress(text: string): Address | undefined {
  const [, kind, address, tcpPort, ws] = multiaddr.exec(text) ?? [];
  if (kind !== undefined && address !== undefined) {
    const right = kind === "ip4" ? ip4.test(address) : kind === "ip6" ? isIp6(address) : name.test(address);
    return right ? withPort(address, tcpPort, ws === undefined ? "tcp" : "ws") : undefined;
  }
  const [, six, host, port] = hostPort.exec(text) ?? [];
  if (six !== undefined) return isIp6(six) ? withPort(six, port, "tcp") : undefined;
  if (host === undefined) return undefined;
  // What looks like an IPv4 address must be one: "256.0.0.1" is no name.
  const right = /^[\d.]+$/.test(host) ? ip4.test(host) : name.test(host);
  return right ? withPort(host, port, "tcp") : undefined;
}

function withPort(host: string, port: string | undefined, transport: "tcp" | "ws"): Address | undefined {
  const number = Number(port);
  return number <= 65_535 ? { transport, host, port: number } : undefined;
}

function isIp6(text: string): boolean {
  return text.includes(":") && URL.canParse(`http://[${text}]/`);
}
