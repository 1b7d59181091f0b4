/** Being told to stop, once or twice, by whoever started this process. */

/**
 * A second signal counts only this long after the first: started by npx, a terminal's Ctrl-C arrives twice
 * within a millisecond.
 */
const SECOND_SIGNAL_MS = 1000;
const SIGNALS = ["SIGTERM", "SIGINT"] as const;

export interface Signals extends Disposable {
  /** The signal that says to stop. */
  readonly first: Promise<string>;
  /** Another one, late enough to be meant. */
  readonly second: Promise<false>;
}

/** Takes SIGTERM and SIGINT until disposed; neither ends the process by itself meanwhile. */
export function listenForSignals(): Signals {
  const first = Promise.withResolvers<string>();
  const second = Promise.withResolvers<false>();
  let firstMs: number | null = null;
  const onSignal = (signal: string): void => {
    if (firstMs === null) {
      firstMs = performance.now();
      first.resolve(signal);
    } else if (performance.now() - firstMs >= SECOND_SIGNAL_MS) second.resolve(false);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    first: first.promise,
    second: second.promise,
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
