/** Takes the sockets that listen away from this process, as a failing network stack would. Linux's /proc and libc. */
import { dlopen } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const SHUT_RDWR = 2;

/** Ends the socket that listens on `port`, behind the back of whoever opened it; throws where there is none. */
export function loseListener(port: number): void {
  const libc = dlopen("libc.so.6", { shutdown: { args: ["int", "int"], returns: "int" } });
  const done = libc.symbols.shutdown(listeningDescriptor(port), SHUT_RDWR);
  libc.close();
  if (done !== 0) throw new Error(`nothing listens on ${port}`);
}

/** The descriptor of this process that listens on `port`, as Linux shows it; -1 where there is none. */
function listeningDescriptor(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const row = readFileSync("/proc/self/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns[1]?.endsWith(local) && columns[3] === "0A");
  const found = readdirSync("/proc/self/fd").find((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === `socket:[${row?.[9]}]`;
    } catch {
      // Closed since the folder was listed.
      return false;
    }
  });
  return Number(found ?? -1);
}
