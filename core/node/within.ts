/** Waits for `work`, but no longer than `ms`: null then. Leaves no timer behind that would hold the process. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const over = Promise.withResolvers<null>();
  const timer = setTimeout(over.resolve, ms, null);
  try {
    return await Promise.race([work, over.promise]);
  } finally {
    clearTimeout(timer);
  }
}
