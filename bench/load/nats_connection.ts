/**
 * One connection to nats-server, which speaks the NATS client protocol itself, so that nothing but the server is
 * compared: https://docs.nats.io/reference/reference-protocols/nats-protocol. It takes what the server sends for
 * true, and no headers.
 */

/** `payload` is borrowed until the call returns. */
export type Receive = (subject: string, payload: Buffer) => void;

export class NatsConnection {
  readonly #receive: Receive;
  readonly #lost: () => void;
  #socket: Bun.Socket | null = null;
  #out: Uint8Array[] = [];
  #flushes = false;
  #in: Buffer = Buffer.alloc(0);
  #waiters: (() => void)[] = [];

  private constructor(receive: Receive, lost: () => void) {
    this.#receive = receive;
    this.#lost = lost;
  }

  /** Connects and waits for the server's first answer; `lost` hears that the connection ended. */
  static async open(port: number, receive: Receive, lost: () => void = () => undefined) {
    const connection = new NatsConnection(receive, lost);
    await connection.#open(port);
    return connection;
  }

  get isOpen(): boolean {
    return this.#socket !== null;
  }

  /** Messages of `subject` come to `receive`, from when this resolves. */
  async subscribe(subject: string): Promise<void> {
    this.#send(`SUB ${subject} 1\r\n`);
    await this.#answered();
  }

  publish(subject: string, payload: Uint8Array, reply = ""): void {
    this.#send(`PUB ${subject} ${reply === "" ? "" : `${reply} `}${payload.length}\r\n`);
    this.#send(payload);
    this.#send("\r\n");
  }

  async #open(port: number): Promise<void> {
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => {
          this.#socket = socket;
          this.#send(`CONNECT {"verbose":false,"pedantic":false,"headers":false}\r\n`);
        },
        data: (_, chunk) => this.#data(chunk),
        drain: () => this.#flush(),
        close: () => this.#closed(),
      },
    });
    await this.#answered();
  }

  /** All that was sent before has been dealt with. */
  async #answered(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push(resolve);
    this.#send("PING\r\n");
    await promise;
  }

  #closed(): void {
    this.#socket = null;
    for (const answered of this.#waiters.splice(0)) answered();
    this.#lost();
  }

  #send(data: string | Uint8Array): void {
    this.#out.push(typeof data === "string" ? Buffer.from(data, "latin1") : data);
    if (this.#flushes) return;
    // What is said in one turn leaves in one write.
    this.#flushes = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushes = false;
    const [first] = this.#out;
    if (first === undefined) return;
    const whole = this.#out.length === 1 ? first : Buffer.concat(this.#out);
    const written = this.#socket?.write(whole) ?? whole.length;
    this.#out = written < whole.length ? [whole.subarray(written)] : [];
  }

  #data(chunk: Buffer): void {
    this.#in = this.#in.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#in, chunk]);
    for (;;) {
      const end = this.#in.indexOf("\r\n");
      if (end < 0) return;
      const line = this.#in.toString("latin1", 0, end);
      let next = end + 2;
      if (line.startsWith("MSG ")) {
        const parts = line.split(" ");
        const length = Number(parts.at(-1));
        if (this.#in.length < next + length + 2) return;
        this.#receive(parts[1] ?? "", this.#in.subarray(next, next + length));
        next += length + 2;
      } else if (line === "PING") this.#send("PONG\r\n");
      else if (line === "PONG") this.#waiters.shift()?.();
      this.#in = this.#in.subarray(next);
    }
  }
}
