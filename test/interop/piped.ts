/** A session's connection by way of another libp2p: each stream is a process in `pipe` mode; see README.md. */
import type { SessionConnection, SessionHandler, SessionStream } from "../../core/client/session/mod.ts";
import { parseAddress } from "../../core/link/mod.ts";

export interface PipedConnection extends SessionConnection, Disposable {}

/** `command` is a peer's program; `address` ends in /p2p/PEER, and the program checks that it is who answers. */
export function openPiped(command: readonly string[], address: string, cwd: string): PipedConnection {
  const { peer } = parseAddress(address);
  if (peer === null) throw new Error("the address names no peer");
  const children: Bun.Subprocess[] = [];
  return {
    peer,
    open(protocol, handler, context) {
      const child = Bun.spawn([...command, "pipe", address, protocol], {
        cwd,
        stdin: "pipe",
        stdout: "pipe",
      });
      children.push(child);
      const stream = pipedStream(child.stdin, context);
      void listen(child.stdout, { stream, handler });
      return stream;
    },
    [Symbol.dispose]() {
      for (const child of children) child.kill("SIGKILL");
    },
  };
}

function pipedStream<T>(stdin: Bun.FileSink, context: T): SessionStream<T> {
  return {
    context,
    write(bytes) {
      void stdin.write(bytes.slice());
      void stdin.flush();
      return bytes.length;
    },
    // The other implementation reopens its window by itself.
    consume() {},
    end: () => void stdin.end(),
    reset: () => void stdin.end(),
  };
}

async function listen<T>(
  stdout: ReadableStream<Uint8Array>,
  { stream, handler }: { stream: SessionStream<T>; handler: SessionHandler<T> },
): Promise<void> {
  handler.onOpen(stream);
  for await (const bytes of stdout) handler.onData(stream, bytes);
  handler.onEnd(stream);
  handler.onClose(stream, "the peer's program ended");
}
