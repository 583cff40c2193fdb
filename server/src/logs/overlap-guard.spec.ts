import { expect, test } from 'vitest'
import { ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import type { CheckedChunk, ChunkPosition, LogStore } from './log-store.js'
import { OverlapGuard } from './overlap-guard.js'

const KEY = { instanceId: '01a1fb82-0f76-78ef-91c6-85373c23ff80', task: 0, attempt: 1 }

function chunk(n: number, count: number): CheckedChunk {
  const builder = new ChunkBuilder(KEY, { chunks: 0, lines: n, bytes: n, digest: '0'.repeat(64) })
  for (let i = 0; i < count; i++) builder.add(Buffer.from('x'), 0, 1)
  const built = builder.close()
  if (built === undefined) throw new Error('no chunk')
  return built
}

/** A guard before a store that counts what it is asked. */
function guarded() {
  const stored: ChunkPosition[] = []
  const asked = { times: 0 }
  const ask = <T>(answer: T): Promise<T> => {
    asked.times++
    return Promise.resolve(answer)
  }
  const store = {
    hasAny: () => ask(stored.length > 0),
    positionAt: (_: unknown, line: number) => ask(stored.filter(({ n }) => n <= line).toSorted((a, b) => b.n - a.n)[0]),
    starts: (_: unknown, from: number, to: number) => ask(stored.map(({ n }) => n).filter((n) => n >= from && n < to)),
  } as unknown as LogStore
  const guard = new OverlapGuard(store)
  const put = async (...chunks: CheckedChunk[]): Promise<number[]> => {
    const overlapping = await guard.admit(chunks, async (admitted) => {
      await Promise.resolve()
      stored.push(...admitted.map(({ header }) => header))
    })
    return [...overlapping].map(({ header }) => header.n)
  }
  return { put, asked, stored }
}

test('a stream that is sent in order costs one question', async () => {
  const { put, asked } = guarded()
  await put(chunk(0, 10), chunk(10, 10))
  for (let n = 20; n < 100; n += 10) expect(await put(chunk(n, 10))).toEqual([])
  expect(asked.times).toBe(1)
})

test('overlaps with what is stored, with each other, and with what is just being stored are found', async () => {
  const { put, stored } = guarded()
  expect(await put(chunk(0, 10), chunk(20, 10))).toEqual([])
  expect(await put(chunk(9, 2), chunk(15, 6))).toEqual([9, 15])
  expect(await put(chunk(0, 5))).toEqual([])
  expect(await put(chunk(40, 10), chunk(45, 10))).toEqual([45])
  expect(await Promise.all([put(chunk(60, 10)), put(chunk(65, 10))])).toEqual([[], [65]])
  expect(await put(chunk(10, 10))).toEqual([])
  expect(stored.map(({ n }) => n)).toEqual([0, 20, 0, 40, 60, 10])
})

test('what another server stored before is looked up', async () => {
  const { put, stored } = guarded()
  stored.push(chunk(0, 10).header, chunk(15, 10).header)
  expect(await put(chunk(5, 10))).toEqual([5])
  expect(await put(chunk(10, 10))).toEqual([10])
  expect(await put(chunk(10, 5))).toEqual([])
})
