import { BSON, MongoNetworkError } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { Batcher } from './batcher.js'

/** A writer whose batches end when the test says so. */
function heldWriter() {
  const batches: { items: number[]; end: () => void; fail: (error: Error) => void }[] = []
  const write = (items: number[]): Promise<string[]> =>
    new Promise((resolve, reject) => batches.push({ items, end: () => resolve(items.map((item) => `r${item}`)), fail: reject }))
  return { batches, write }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

describe('group commit', () => {
  test('what comes while batches are under way goes into the next one, and each gets its own answer', async () => {
    const { batches, write } = heldWriter()
    const batcher = new Batcher<number, string>({ write, maxItems: 10, maxInFlight: 1 })
    const first = batcher.add(1)
    await turn()
    const rest = [2, 3, 4].map((item) => batcher.add(item))
    await turn()
    expect(batches.map(({ items }) => items)).toEqual([[1]])
    batches[0]?.end()
    expect(await first).toBe('r1')
    await turn()
    expect(batches[1]?.items).toEqual([2, 3, 4])
    batches[1]?.end()
    expect(await Promise.all(rest)).toEqual(['r2', 'r3', 'r4'])
    await batcher.idle()
  })

  test('a batch is bounded by items and by weight, but one heavy item always goes', async () => {
    const { batches, write } = heldWriter()
    const batcher = new Batcher<number, string>({ write, maxItems: 3, maxInFlight: 10, maxWeight: 100, weigh: (item) => item })
    const all = [200, 60, 30, 20, 1, 1, 1].map((item) => batcher.add(item))
    expect(batcher.queuedWeight).toBe(313)
    await turn()
    expect(batches.map(({ items }) => items)).toEqual([[200], [60, 30], [20, 1, 1], [1]])
    for (const batch of batches) batch.end()
    await Promise.all(all)
    expect(batcher.queuedWeight).toBe(0)
  })

  test('a small batch waits for the one under way, a larger one begins beside it', async () => {
    const { batches, write } = heldWriter()
    const batcher = new Batcher<number, string>({ write, maxItems: 10, maxInFlight: 2, minBeside: 3 })
    const all = [batcher.add(1)]
    await turn()
    all.push(batcher.add(2), batcher.add(3))
    await turn()
    expect(batches.map(({ items }) => items)).toEqual([[1]])
    all.push(batcher.add(4))
    await turn()
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4]])
    all.push(batcher.add(5))
    batches[1]?.end()
    await turn()
    expect(batches).toHaveLength(2)
    batches[0]?.end()
    await turn()
    batches[2]?.end()
    expect(await Promise.all(all)).toEqual(['r1', 'r2', 'r3', 'r4', 'r5'])
  })

  test('a failed batch rejects its items and no others', async () => {
    const { batches, write } = heldWriter()
    const batcher = new Batcher<number, string>({ write, maxItems: 1, maxInFlight: 2 })
    const [bad, good] = [batcher.add(1), batcher.add(2)]
    await turn()
    batches[0]?.fail(new Error('away'))
    batches[1]?.end()
    await expect(bad).rejects.toThrow('away')
    expect(await good).toBe('r2')
  })

  test('of a batch that items broke only those fail, for a few more writes each', async () => {
    const bad = new Set([0, 150, 302])
    const sizes: number[] = []
    const write = (items: number[]): Promise<number[]> => {
      sizes.push(items.length)
      return items.some((item) => bad.has(item)) ? Promise.reject(new BSON.BSONError('no such type')) : Promise.resolve(items)
    }
    const batcher = new Batcher<number, number>({ write, maxItems: 500, maxInFlight: 1 })
    const calls = await Promise.allSettled(Array.from({ length: 303 }, (_, item) => batcher.add(item)))
    expect(calls.flatMap(({ status }, item) => (status === 'rejected' ? [item] : []))).toEqual([...bad])
    expect(calls[1]).toEqual({ status: 'fulfilled', value: 1 })
    expect(sizes[0]).toBe(303)
    expect(sizes.length).toBeLessThanOrEqual(1 + bad.size * 2 * Math.ceil(Math.log2(303)))
    await batcher.idle()
  })

  test('a database that is away is not asked again for each part', async () => {
    let writes = 0
    const write = (): Promise<number[]> => (writes++, Promise.reject(new MongoNetworkError('away')))
    const batcher = new Batcher<number, number>({ write, maxItems: 500, maxInFlight: 1 })
    const calls = await Promise.allSettled([1, 2, 3, 4].map((item) => batcher.add(item)))
    expect(calls.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    expect(writes).toBe(1)
  })

  test('a writer that answers too little is an error, not a silence', async () => {
    const batcher = new Batcher<number, string>({ write: () => Promise.resolve([]), maxItems: 10, maxInFlight: 1 })
    await expect(batcher.add(1)).rejects.toThrow('got 0 answers')
  })
})
