/**
 * Passes values on while the next one is being made, so that making and using them overlap. One value waits at most.
 * Whoever stops early ends the source too.
 */
export async function* readAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (let result = await next; result.done !== true; result = await next) {
      next = iterator.next();
      // It is thrown where it is awaited; until then nobody looks, which would end the process.
      next.catch(() => {});
      yield result.value;
    }
  } finally {
    await next.catch(() => {});
    await iterator.return?.();
  }
}
