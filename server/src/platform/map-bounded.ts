import { isUnavailable } from './http/unavailable.js'

/** As Promise.all over `items.map(work)`, with at most `limit` under way. The first rejection ends it. */
export async function mapBounded<T, R>(items: readonly T[], limit: number, work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T, index)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane))
  return results
}

/** Does each item by itself, at most `limit` at a time: one that fails is told to `onFailure` and holds up no other. A store that is away concerns all and ends it. */
export async function eachAlone<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<unknown>,
  onFailure: (item: T, err: unknown) => void,
): Promise<void> {
  await mapBounded(items, limit, async (item) => {
    try {
      await work(item)
    } catch (err) {
      if (isUnavailable(err)) throw err
      onFailure(item, err)
    }
  })
}
