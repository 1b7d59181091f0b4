/** Noise after the handshake: frames of at most 65,535 bytes, each with its length in two bytes before it. */
import { limit } from "../ground/mod.ts";
import { writeU16 } from "./bytes.ts";
import type { TransportCiphers } from "./noise_handshake.ts";
import type { ByteQueue } from "./byte_queue.ts";

export const LENGTH_BYTES = 2;
const TAG_BYTES = 16;
const OVERHEAD_BYTES = LENGTH_BYTES + TAG_BYTES;
const PLAINTEXT_BYTES_MAX = limit.NOISE_FRAME_BYTES_MAX - TAG_BYTES;

export class NoiseTransport {
  readonly #ciphers: TransportCiphers;
  #sent = 0;
  #received = 0;

  /** Takes the ciphers over and disposes of them. */
  constructor(ciphers: TransportCiphers) {
    this.#ciphers = ciphers;
  }

  /** Seals what waits into `into` from `at` on, as much as fits; returns the bytes written. */
  seal(queue: ByteQueue, into: Uint8Array, at: number): number {
    let end = at;
    while (queue.length > 0) {
      const room = into.length - end - OVERHEAD_BYTES;
      const length = Math.min(queue.length, room, PLAINTEXT_BYTES_MAX);
      if (length <= 0) break;
      const sealed = this.#ciphers.send.seal(this.#sent++, queue.peek(length), into, end + LENGTH_BYTES);
      writeU16(into, end, sealed);
      queue.skip(length);
      end += LENGTH_BYTES + sealed;
    }
    return end - at;
  }

  /** Opens one frame without its length into `into`; returns the plaintext's length or -1. */
  open(frame: Uint8Array, into: Uint8Array): number {
    if (frame.length < TAG_BYTES) return -1;
    return this.#ciphers.receive.open(this.#received++, frame, into, 0);
  }

  dispose(): void {
    this.#ciphers.send[Symbol.dispose]();
    this.#ciphers.receive[Symbol.dispose]();
  }
}
