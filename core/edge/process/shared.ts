/** A listener whose ports other processes bind too: its own connections and theirs are one whole to those above. */
import type { Crypto, SigningKey } from "@dchat/crypto-wasm";
import { limit } from "../../ground/mod.ts";
import { formatAddress, parseListenAddress, type PeerId } from "../../link/mod.ts";
import { Admission } from "../admission.ts";
import { bindFault, type EdgeListener, listenBeside, type ListenOptions } from "../listener.ts";
import { certifyStatic, noiseIdentity } from "../own.ts";
import type { Access, EdgeConnection, EdgeLimits, Listener, TlsFiles } from "../port.ts";
import { EdgeProcess, type HomeOptions } from "./home.ts";
import type { Order, Start, Usage } from "./order.ts";

/** An edge process as whoever started it sees it. */
export interface JoinedProcess {
  /** Resolves when it takes connections; throws Fault<"edge/bind"> where it can't. */
  readonly listening: Promise<void>;
  /** Resolves with the reason when it is gone and all that it held is closed. */
  readonly ended: Promise<string>;
  readonly connections: number;
}

export interface JoinOptions {
  /** Told every few seconds what the process uses of the machine. */
  readonly used?: (usage: Usage) => void;
}

export interface SharedListener extends Listener {
  /** False once no new connections are taken: processes that end then need no successor. */
  readonly accepting: boolean;
  /**
   * Has a process that runs runEdgeProcess() take connections on the same ports. `fd` is the one end of a socket
   * pair, and the listener's from now on; the process holds the other.
   */
  join(fd: number, options?: JoinOptions): Promise<JoinedProcess>;
}

export interface SharedListenOptions extends ListenOptions {
  /** How often each process is asked whether it runs; limit.EDGE_ASK_MS unless said otherwise. */
  readonly askMs?: number;
}

/**
 * Listens as openListener() does, and throws as it does, on ports that processes which join bind too. Here
 * `options.identity` is borrowed for as long as it listens: it certifies the Noise key that each process makes.
 */
export async function openSharedListener(options: SharedListenOptions): Promise<SharedListener> {
  const addresses = freeAddresses(options.addresses);
  const admission = new Admission();
  const noise = noiseIdentity(options.crypto, options.identity);
  const own = await listenBeside({ ...options, addresses }, { shared: true, noise, admission });
  return new ProcessGroup(own, { ...options, addresses, admission });
}

/**
 * The addresses with ports resolved. Each is bound alone for a moment: a port that may be shared would else be bound
 * beside another relay's, and the kernel would give each a part of the devices.
 */
function freeAddresses(addresses: readonly string[]): string[] {
  const trials: { port: number; stop(closeActive?: boolean): void }[] = [];
  try {
    return addresses.map((text) => {
      const address = parseListenAddress(text);
      try {
        const trial = Bun.listen({
          hostname: address.host.name,
          port: address.port,
          exclusive: true,
          socket: { open: (socket) => socket.terminate(), data: () => undefined },
        });
        trials.push(trial);
        return formatAddress({ ...address, port: trial.port, peer: null });
      } catch (error) {
        throw bindFault(address, error);
      }
    });
  } finally {
    for (const trial of trials) trial.stop(true);
  }
}

interface GroupOptions extends Omit<SharedListenOptions, "crypto"> {
  readonly crypto: Pick<Crypto, "ed25519">;
  readonly identity: SigningKey;
  readonly admission: Admission;
}

class ProcessGroup implements SharedListener {
  accepting = true;
  readonly #own: EdgeListener;
  readonly #options: GroupOptions;
  readonly #processes = new Set<EdgeProcess>();
  #limits: EdgeLimits;
  #access: Access;
  #tls: TlsFiles | null;

  constructor(own: EdgeListener, options: GroupOptions) {
    this.#own = own;
    this.#options = options;
    this.#limits = options.limits;
    this.#access = options.access ?? { allow: [], deny: [] };
    this.#tls = options.tls ?? null;
  }

  get addresses(): readonly string[] {
    return this.#own.addresses;
  }

  get peer(): PeerId {
    return this.#own.peer;
  }

  get connections(): number {
    let connections = this.#own.connections;
    for (const process of this.#processes) connections += process.connections;
    return connections;
  }

  /** One process is enough: the kernel leads all who knock to those that listen. */
  get isListening(): boolean {
    return this.#own.isListening || this.#processes.values().some((each) => each.isListening);
  }

  get isMemoryFull(): boolean {
    return this.#own.isMemoryFull;
  }

  async join(fd: number, { used = () => undefined }: JoinOptions = {}): Promise<JoinedProcess> {
    const process = new EdgeProcess({ ...this.#home(), used });
    this.#processes.add(process);
    void process.ended.then(() => this.#processes.delete(process));
    await process.connect(fd);
    return process;
  }

  setLimits(limits: EdgeLimits): void {
    this.#limits = limits;
    this.#own.setLimits(limits);
    this.#order({ is: "limits", limits });
  }

  setAccess(access: Access): void {
    this.#own.setAccess(access);
    this.#access = access;
    this.#order({ is: "access", access });
  }

  setTls(tls: TlsFiles): void {
    this.#own.setTls(tls);
    this.#tls = tls;
    this.#order({ is: "tls", tls });
  }

  stopAccepting(): void {
    this.accepting = false;
    this.#own.stopAccepting();
    this.#order({ is: "stopAccepting" });
  }

  async drain(deadlineMs: number): Promise<void> {
    this.stopAccepting();
    const all = [this.#own, ...this.#processes];
    await Promise.all(all.map((each) => each.drain(deadlineMs)));
  }

  *[Symbol.iterator](): Iterator<EdgeConnection> {
    yield* this.#own;
    for (const process of this.#processes) yield* process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopAccepting();
    for (const process of this.#processes) process.abort("closed");
    await this.#own[Symbol.asyncDispose]();
  }

  #order(order: Order): void {
    for (const process of this.#processes) process.order(order);
  }

  #home(): Omit<HomeOptions, "used"> {
    const { admission, clock, events, protocols } = this.#options;
    return {
      admission,
      clock,
      events,
      protocols,
      nextId: () => this.#own.nextId(),
      limits: () => this.#limits,
      askMs: this.#options.askMs ?? limit.EDGE_ASK_MS,
      start: (staticKey) => this.#start(staticKey),
    };
  }

  #start(staticKey: Uint8Array): Start {
    const { crypto, identity, addresses, announce, protocolNames, agent } = this.#options;
    return {
      publicKey: identity.publicKey.toHex(),
      payload: certifyStatic(crypto, { identity, staticKey }).toHex(),
      addresses,
      announce: announce ?? null,
      protocolNames,
      limits: this.#limits,
      access: this.#access,
      tls: this.#tls,
      agent: agent ?? null,
    };
  }
}
