/**
 * An edge process: it holds the sockets of devices with all that libp2p asks for, and carries what they say on the
 * streams that the relay serves over a pipe to the relay's own process. It has no mailbox, no store and no key but a
 * Noise static key of its own, which the relay certifies.
 */
import type { AgreementKey, Crypto } from "@dchat/crypto-wasm";
import { type Clock, limit } from "../../ground/mod.ts";
import { Admission } from "../admission.ts";
import { type EdgeListener, listenBeside } from "../listener.ts";
import { ownNoise } from "../own.ts";
import type { EdgeConnection, EdgeEvents, StreamHandler, TlsFiles } from "../port.ts";
import { StreamCarrier } from "./child_stream.ts";
import {
  decodeClose,
  decodeCount,
  decodeStream,
  encodeArrived,
  encodeText,
  KIND,
  outOfStep,
} from "./frame.ts";
import { connectPipe, Pipe, type PipeOwner } from "./pipe.ts";
import { decodeOrder, encodeJson, type Order, type Report, type Start, type Usage } from "./order.ts";
import { TallyKeeper } from "./tally.ts";

export interface EdgeProcessOptions {
  /** The end of a socket pair whose other end the relay holds. */
  readonly fd: number;
  readonly crypto: Pick<Crypto, "x25519" | "noise">;
  readonly clock: Clock;
  /** Whether the relay serves a protocol. */
  readonly serves: (protocol: string) => boolean;
}

/** Works for the relay at the other end until that is gone or has it end; what it holds is closed then. */
export async function runEdgeProcess(options: EdgeProcessOptions): Promise<void> {
  const process = new ChildProcess(options);
  await process.run();
}

/** Refuses by address what can't be let in whatever others hold. Peers are the relay's ledger's to look at, once. */
class AddressAdmission extends Admission {
  override admitPeer(): null {
    return null;
  }

  override releasePeer(): void {}
}

class ChildProcess implements PipeOwner, EdgeEvents {
  readonly #options: EdgeProcessOptions;
  readonly #staticKey: AgreementKey;
  readonly #connections = new Map<number, EdgeConnection>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #tally: TallyKeeper;
  readonly #pipe: Pipe;
  readonly #streams: StreamCarrier;
  #starting: Promise<void> | null = null;
  #listener: EdgeListener | null = null;

  constructor(options: EdgeProcessOptions) {
    this.#options = options;
    this.#staticKey = options.crypto.x25519.generate();
    this.#pipe = new Pipe(this);
    this.#streams = new StreamCarrier(this.#pipe);
    this.#tally = new TallyKeeper((tally) => this.#report({ is: "tally", tally }));
  }

  async run(): Promise<void> {
    await connectPipe(this.#options.fd, this.#pipe);
    this.#report({ is: "key", staticKey: this.#staticKey.publicKey.toHex() });
    const late = setTimeout(() => {
      if (this.#starting === null) this.#pipe.abort("no relay answers");
    }, limit.EDGE_START_MS);
    late.unref();
    await this.#gone.promise;
    await this.#starting;
    await this.#listener?.[Symbol.asyncDispose]();
    this.#staticKey[Symbol.dispose]();
  }

  onFrame(kind: number, id: number, payload: Uint8Array): void {
    switch (kind) {
      case KIND.data:
        return this.#streams.data(id, payload);
      case KIND.consumed:
        return this.#streams.consumed(id, decodeCount(payload));
      case KIND.end:
        return this.#streams.end(id);
      case KIND.gone:
        return this.#streams.reset(id);
      case KIND.stream:
        return this.#openStream(id, payload);
      case KIND.close: {
        const { hard, reason } = decodeClose(payload);
        const connection = this.#connections.get(id);
        if (connection === undefined) return;
        return hard ? connection.close(reason, { hard }) : this.#streams.close(connection, reason);
      }
      case KIND.refused:
        return this.#connections.get(id)?.close("refused", { hard: true });
      case KIND.order:
        return this.#obey(decodeOrder(payload));
      default:
        throw outOfStep(`kind ${kind}`);
    }
  }

  onFull(): void {
    this.#listener?.rest(true);
  }

  onDrain(): void {
    this.#listener?.rest(false);
  }

  onGone(): void {
    this.#tally.stop();
    this.#gone.resolve();
  }

  arrived(connection: EdgeConnection): void {
    const { id, remoteAddress: address, remotePort: port } = connection;
    this.#connections.set(id, connection);
    this.#pipe.send(KIND.arrived, id, encodeArrived({ port, address }));
  }

  opened({ id, peer }: EdgeConnection): void {
    this.#pipe.send(KIND.opened, id, peer.bytes);
  }

  closed({ id }: EdgeConnection, reason: string): void {
    this.#pipe.send(KIND.closed, id, encodeText(reason));
  }

  failed(reason: string): void {
    this.#tally.failed(reason);
  }

  left({ id }: EdgeConnection): void {
    this.#connections.delete(id);
    this.#pipe.send(KIND.left, id);
  }

  limited(limit: string, remoteAddress: string): void {
    this.#tally.limited(limit, remoteAddress);
  }

  bytes(received: number, sent: number): void {
    this.#tally.bytes(received, sent);
  }

  error(error: unknown): void {
    this.#report({ is: "error", reason: textOf(error) });
  }

  #report(report: Report): void {
    this.#pipe.send(KIND.report, 0, encodeJson(report));
  }

  #obey(order: Order): void {
    const listener = this.#listener;
    if (order.is === "start") this.#starting = this.#listen(order.start);
    else if (order.is === "answer") this.#running();
    else if (listener === null) throw outOfStep(`${order.is} before the start`);
    else if (order.is === "limits") listener.setLimits(order.limits);
    else if (order.is === "access") listener.setAccess(order.access);
    else if (order.is === "tls") this.#renew(listener, order.tls);
    else if (order.is === "stopAccepting") listener.stopAccepting();
    else void this.#drain(listener, order.ms);
  }

  #running(): void {
    this.#report({ is: "running", usage: usageNow(), listens: this.#listener?.isListening === true });
  }

  async #listen(start: Start): Promise<void> {
    const { crypto, clock, serves } = this.#options;
    const { payload, publicKey, announce, tls, agent, ...rest } = start;
    const noise = ownNoise(crypto, {
      staticKey: this.#staticKey,
      publicKey: Uint8Array.fromHex(publicKey),
      payload: Uint8Array.fromHex(payload),
    });
    // The table is of handlers of anything; this one makes its context itself.
    const handler = this.#streams as StreamHandler<unknown>;
    try {
      this.#listener = await listenBeside(
        {
          ...rest,
          ...(announce === null ? {} : { announce }),
          ...(tls === null ? {} : { tls }),
          ...(agent === null ? {} : { agent }),
          protocols: (protocol) => (serves(protocol) ? handler : null),
          events: this,
          clock,
        },
        { shared: true, noise, admission: new AddressAdmission() },
      );
      this.#report({ is: "listening" });
    } catch (error) {
      this.#report({ is: "failed", reason: textOf(error) });
      this.#pipe.end();
    }
  }

  #renew(listener: EdgeListener, tls: TlsFiles): void {
    try {
      listener.setTls(tls);
    } catch (error) {
      this.error(error);
    }
  }

  /** A connection that is gone meanwhile, or can open no more, has no such stream. */
  #openStream(number: number, payload: Uint8Array): void {
    const { connection, protocol } = decodeStream(payload);
    try {
      const open = this.#connections.get(connection);
      if (open === undefined) this.#pipe.send(KIND.gone, number, encodeText("connection closed"));
      else this.#streams.open(open, { number, protocol });
    } catch (error) {
      this.#pipe.send(KIND.gone, number, encodeText(textOf(error)));
    }
  }

  async #drain(listener: EdgeListener, ms: number): Promise<void> {
    await listener.drain(this.#options.clock.monotonic() + ms);
    this.#tally.tell();
    this.#pipe.end();
  }
}

function usageNow(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
