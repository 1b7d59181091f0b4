/** What a handshake costs the side that listens: core/link in memory, its own calls timed and nothing else. */
import { Pair } from "../../core/link/_pair.ts";
import { quantile, round } from "../harness/quantile.ts";
import type { Row, Size } from "../harness/result.ts";

const COUNT: Readonly<Record<Size, number>> = { small: 20, standard: 1_000, large: 5_000 };
/** A handshake's longest flight is far below a Noise frame. */
const FLIGHT_BYTES = 70_000;

/** Runs one handshake until both sides rest; returns the listener's time in us. */
function handshakeUs(up: Uint8Array, down: Uint8Array): number {
  const { listener, dialler } = new Pair();
  let ns = 0;
  for (;;) {
    const sent = dialler.link.pull(up);
    const before = Bun.nanoseconds();
    if (sent > 0) listener.link.receive(up.subarray(0, sent), 0);
    const answered = listener.link.pull(down);
    ns += Bun.nanoseconds() - before;
    if (answered > 0) dialler.link.receive(down.subarray(0, answered), 0);
    if (sent + answered > 0) continue;
    if (listener.opened !== 1) throw new Error("the handshake didn't finish");
    return ns / 1_000;
  }
}

/** multistream-select, Noise XX, yamux and identify's first flight, at the listener. */
export function handshakes(size: Size): Row {
  const [up, down] = [new Uint8Array(FLIGHT_BYTES), new Uint8Array(FLIGHT_BYTES)];
  for (let i = 0; i < COUNT[size] / 5; i++) handshakeUs(up, down);
  const took = Float64Array.from({ length: COUNT[size] }, () => handshakeUs(up, down));
  const at = (share: number): number => round(quantile(took, share));
  return {
    subject: "dchat",
    parameters: { operation: "noise handshake, listener", size: 1 },
    figures: { p50Us: at(0.5), p25Us: at(0.25), p75Us: at(0.75), p99Us: at(0.99) },
  };
}
