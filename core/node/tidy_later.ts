/** Late enough that whoever waits for the start isn't held up by it. */
const TIDY_AFTER_MS = 1000;

/** Gives back what starting needed and running doesn't: parsed configuration schemas, modules' text, first garbage. */
export function tidyLater(): void {
  const tidy = (): void => {
    Bun.gc(true);
    Bun.shrink();
  };
  setTimeout(tidy, TIDY_AFTER_MS).unref();
}
