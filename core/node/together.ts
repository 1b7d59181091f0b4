/**
 * Waits for two things that open at once and puts them on `stack`, in this order. Where one fails the other is
 * on the stack all the same, so it is closed with the rest, and the failure travels on.
 */
export async function openTogether<A extends AsyncDisposable, B extends AsyncDisposable>(
  stack: AsyncDisposableStack,
  opening: readonly [Promise<A>, Promise<B>],
): Promise<readonly [A, B]> {
  const [first, second] = await Promise.allSettled(opening);
  if (first.status === "fulfilled") stack.use(first.value);
  if (second.status === "fulfilled") stack.use(second.value);
  if (first.status === "rejected") throw first.reason;
  if (second.status === "rejected") throw second.reason;
  return [first.value, second.value];
}
