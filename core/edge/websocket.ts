/** WebSockets that come in, RFC 6455: framing between a socket and the link that any other socket has. */
import { limit } from "../ground/mod.ts";
import type { Portion } from "../link/mod.ts";
import { HEADROOM_BYTES } from "./connection.ts";
import { SocketConnection } from "./tcp.ts";
import {
  CLOSE_NORMAL,
  type Ending,
  FrameReader,
  encodeClose,
  encodePong,
  isTooLong,
  writeHead,
} from "./websocket/frame.ts";
import {
  HEAD_TOO_LONG,
  NO_REQUEST,
  type Refusal,
  encodeRefusal,
  encodeUpgrade,
  parseUpgrade,
} from "./websocket/upgrade.ts";

const END_OF_HEAD = Buffer.from("\r\n\r\n");
/** Methods of HTTP begin with one of these; TLS, multistream-select and most of what else strays here doesn't. */
const NO_BYTES = new Uint8Array(0);
const [LETTER_MIN, LETTER_MAX] = [0x41, 0x5a];

/**
 * Counted, and on the clock of its link's handshake, from the accept on: that of TLS, the request for the upgrade and
 * libp2p's own share one deadline.
 */
export class WebSocketConnection extends SocketConnection {
  readonly kind: "ws" | "wss" = "ws";
  /** What there is of the request. */
  #head: Buffer | null = null;
  /** Null until the upgrade. */
  #frames: FrameReader | null = null;
  /** Whether what still comes is of no interest. */
  #deaf = false;
  /** What our Close says. */
  #ending: Pick<Ending, "code"> = { code: CLOSE_NORMAL };
  /** How far we are with the end: our Close is written, and then nothing more is. */
  #end: "open" | "closed" | "shut" = "open";

  override take(bytes: Uint8Array, now: number, most: Portion): number {
    const at = this.#frames === null && !this.#deaf ? this.#ask(bytes) : 0;
    const frames = this.#frames;
    if (frames === null || this.#deaf) return bytes.length;
    const taken = at + frames.read(bytes.subarray(at), this.link, now, most);
    if (this.gone) return bytes.length;
    if (this.blockedMs === 0 && !this.#pong()) this.driver.blocked(this);
    if (frames.ending !== null) this.#finish(frames.ending);
    return taken;
  }

  put(bytes: Uint8Array, length: number): boolean {
    const at = writeHead(bytes, HEADROOM_BYTES, length);
    this.driver.wrote(HEADROOM_BYTES - at);
    return this.give(bytes, at, HEADROOM_BYTES - at + length);
  }

  override putRest(): boolean {
    return super.putRest() && this.#pong();
  }

  /**
   * Says goodbye and ends our side; the other end hangs up, or the driver does after a time.
   */
  endSocket(): boolean {
    if (this.#frames === null && !this.#deaf) {
      this.socket.terminate();
      return true;
    }
    if (this.#end === "open") {
      this.#end = "closed";
      if (this.#frames !== null && !this.#say(encodeClose(this.#ending))) {
        this.driver.blocked(this);
        return false;
      }
    }
    if (this.#end === "closed") {
      this.#end = "shut";
      this.socket.shutdown();
    }
    return false;
  }

  /** Takes a part of the request for the upgrade, and says how much of the bytes was its. */
  #ask(bytes: Uint8Array): number {
    const before = this.#head?.length ?? 0;
    const head = Buffer.concat([this.#head ?? NO_BYTES, bytes]);
    const first = head[0] ?? 0;
    if (first < LETTER_MIN || first > LETTER_MAX) {
      this.#refuse(NO_REQUEST);
      return bytes.length;
    }
    const end = head.subarray(0, limit.WEBSOCKET_HEAD_BYTES_MAX).indexOf(END_OF_HEAD);
    if (end < 0 && head.length < limit.WEBSOCKET_HEAD_BYTES_MAX) this.#head = head;
    else if (end < 0) {
      this.driver.limited(this.link, "WEBSOCKET_HEAD_BYTES_MAX");
      this.#refuse(HEAD_TOO_LONG);
    } else {
      this.#answer(head.toString("latin1", 0, end));
      return end + END_OF_HEAD.length - before;
    }
    return bytes.length;
  }

  #answer(request: string): void {
    const asked = parseUpgrade(request);
    if (typeof asked !== "string") return this.#refuse(asked);
    this.#head = null;
    this.#frames = new FrameReader();
    if (!this.#say(encodeUpgrade(asked))) this.driver.blocked(this);
  }

  #refuse(refusal: Refusal): void {
    this.#deaf = true;
    this.#head = null;
    if (!this.#say(encodeRefusal(refusal))) this.driver.blocked(this);
    this.link.close(`no WebSocket: HTTP ${refusal.status}`);
  }

  /** The other end said Close, or broke the rules. */
  #finish(ending: Ending): void {
    this.#deaf = true;
    this.#ending = ending;
    if (isTooLong(ending)) this.driver.limited(this.link, "WEBSOCKET_MESSAGE_BYTES_MAX");
    this.link.close(ending.reason);
  }

  /** Answers the ping that waits for it; false where the socket is full. */
  #pong(): boolean {
    const frames = this.#frames;
    if (frames === null || frames.ping === null) return true;
    const { ping } = frames;
    frames.ping = null;
    return this.#end === "open" ? this.#say(encodePong(ping)) : true;
  }

  #say(bytes: Uint8Array): boolean {
    this.driver.wrote(bytes.length);
    return this.give(bytes, 0, bytes.length);
  }
}

/** One whose socket has TLS. */
export class SecureWebSocketConnection extends WebSocketConnection {
  override readonly kind = "wss";
}
