import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import type { ChunkPosition } from '../log-store.js'
import { appendRange, decideSeal, emptyTotals, extendPrefix, gapsOf, lossesOf, MAX_RANGES } from './stream-totals.js'

const KEY = { instanceId: '01a1fb82-0f76-78ef-91c6-85373c23ff80', task: 0, attempt: 1 }

/** A stream of chunks with these numbers of lines. */
function stream(counts: readonly number[]): { chunks: ChunkPosition[]; totals: ReturnType<typeof emptyTotals> } {
  const builder = new ChunkBuilder(KEY)
  const chunks = counts.flatMap((count) => {
    for (let i = 0; i < count; i++) builder.add(Buffer.from(`line ${i}`), 0, 1_000)
    const chunk = builder.close()
    return chunk === undefined ? [] : [chunk.header]
  })
  return { chunks, totals: builder.closedTotals }
}

describe('prefix', () => {
  test('goes up to the first gap', () => {
    const { chunks } = stream([3, 2, 4])
    const [a, b, c] = chunks as [ChunkPosition, ChunkPosition, ChunkPosition]
    expect(extendPrefix(emptyTotals(KEY), [a, c])).toMatchObject({ hasGap: true, prefix: { chunks: 1, lines: 3, digest: a.digest } })
    expect(extendPrefix(emptyTotals(KEY), [a, b, c])).toMatchObject({ hasGap: false, prefix: { chunks: 3, lines: 9, digest: c.digest } })
    expect(extendPrefix(emptyTotals(KEY), [b, c])).toMatchObject({ hasGap: true, prefix: { chunks: 0, lines: 0 } })
  })

  test('passes over a chunk that begins inside it', () => {
    const { chunks } = stream([3, 2])
    const [a, b] = chunks as [ChunkPosition, ChunkPosition]
    const { prefix } = extendPrefix(emptyTotals(KEY), [a, { ...a, n: 1 }, b])
    expect(prefix).toMatchObject({ chunks: 2, lines: 5, digest: b.digest })
  })

  test('is the same whether it is extended at once or in steps', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 12 }), fc.nat(12), (counts, cut) => {
        const { chunks, totals } = stream(counts)
        const first = extendPrefix(emptyTotals(KEY), chunks.slice(0, cut)).prefix
        expect(extendPrefix(first, chunks.slice(cut)).prefix).toEqual(totals)
      }),
    )
  })
})

describe('seal', () => {
  test('a complete stream is sealed, from whatever prefix the look begins', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 12 }), fc.nat(12), (counts, cut) => {
        const { chunks, totals } = stream(counts)
        const { prefix } = extendPrefix(emptyTotals(KEY), chunks.slice(0, cut))
        expect(decideSeal(totals, prefix, chunks.slice(cut)).state).toBe('sealed')
      }),
    )
  })

  test('exactly the lines of the chunks that are not stored are missing', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ count: fc.integer({ min: 1, max: 5 }), isStored: fc.boolean() }), { minLength: 1, maxLength: 12 }), (plan) => {
        const { chunks, totals } = stream(plan.map(({ count }) => count))
        const absent = chunks.filter((_, i) => plan[i]?.isStored === false).flatMap(({ n, count }) => Array.from({ length: count }, (_, i) => n + i))
        const decision = decideSeal(
          totals,
          emptyTotals(KEY),
          chunks.filter((_, i) => plan[i]?.isStored === true),
        )
        expect(decision.state).toBe(absent.length === 0 ? 'sealed' : 'missing')
        expect(decision.missing.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))).toEqual(absent)
      }),
    )
  })

  test('an empty stream is sealed by the digest that it began with, and by no other', () => {
    expect(decideSeal(emptyTotals(KEY), emptyTotals(KEY), []).state).toBe('sealed')
    expect(decideSeal({ ...emptyTotals(KEY), digest: '0'.repeat(64) }, emptyTotals(KEY), []).state).toBe('conflict')
    expect(decideSeal(emptyTotals({ ...KEY, attempt: 2 }), emptyTotals(KEY), []).state).toBe('conflict')
  })

  test.each([
    ['other digest', { digest: 'f'.repeat(64) }],
    ['fewer lines than are stored', { lines: 8 }],
    ['other bytes', { bytes: 1 }],
    ['other number of chunks', { chunks: 2 }],
  ])('totals with %s are a conflict', (_, change) => {
    const { chunks, totals } = stream([3, 2, 4])
    expect(decideSeal({ ...totals, ...change }, emptyTotals(KEY), chunks).state).toBe('conflict')
  })

  test('overlapping chunks and wrong offsets are a conflict', () => {
    const { chunks, totals } = stream([3, 2])
    const [a, b] = chunks as [ChunkPosition, ChunkPosition]
    expect(decideSeal(totals, emptyTotals(KEY), [a, { ...a, n: 2 }, b]).state).toBe('conflict')
    expect(decideSeal(totals, emptyTotals(KEY), [a, { ...b, offset: b.offset + 1 }]).state).toBe('conflict')
  })

  test('names a bounded number of missing ranges', () => {
    const { chunks, totals } = stream(Array.from({ length: 3 * MAX_RANGES }, () => 1))
    expect(
      decideSeal(
        totals,
        emptyTotals(KEY),
        chunks.filter((_, i) => i % 2 === 0),
      ).missing,
    ).toHaveLength(MAX_RANGES)
  })
})

describe('losses', () => {
  const { chunks, totals } = stream([3, 2, 4])
  const died = { reason: 'worker-died' as const, at: 5, lines: null, bytes: null }
  const known = { ...extendPrefix(emptyTotals(KEY), chunks.slice(0, 2)).prefix, losses: [died] }

  test('let a worker that lost the end of its spool seal what had arrived of it, and nobody else', () => {
    expect(decideSeal(known, emptyTotals(KEY), chunks)).toMatchObject({ state: 'sealed', end: totals })
    expect(decideSeal({ ...known, losses: [] }, emptyTotals(KEY), chunks).state).toBe('conflict')
    expect(decideSeal({ ...known, digest: 'f'.repeat(64) }, emptyTotals(KEY), chunks).state).toBe('conflict')
  })

  test('begin where what had arrived ends, and are none when that is all that the attempt ended with', () => {
    expect(lossesOf(totals, known, { isLost: true })).toEqual([{ ...died, at: 9 }])
    expect(lossesOf(totals, known, { isLost: false, expected: totals })).toEqual([])
    expect(lossesOf(totals, known, { isLost: false, expected: { ...totals, losses: [{ ...died, at: 9 }] } })).toEqual([{ ...died, at: 9 }])
  })

  test('of a worker that names none are a marker line that was seen, and whatever it did not see before it was given up', () => {
    expect(lossesOf(totals, totals, { isLost: false })).toEqual([])
    expect(lossesOf(totals, { ...totals, losses: [] }, { isLost: true })).toEqual([])
    expect(lossesOf(totals, totals, { isLost: true })).toEqual([{ ...died, at: 9 }])
    const { prefix } = extendPrefix(
      emptyTotals(KEY),
      chunks.map((chunk, i) => (i === 0 ? chunk : { ...chunk, marker: chunk.n })),
    )
    expect(lossesOf(prefix, totals, { isLost: false })).toEqual([{ reason: 'limit', at: 3, lines: null, bytes: null }])
  })
})

test('gaps are named between what is stored, and to the end where that is known', () => {
  expect(gapsOf(10, [{ from: 15, to: 20 }])).toEqual([{ from: 10, to: 15 }])
  expect(gapsOf(10, [{ from: 15, to: 20 }], 30)).toEqual([
    { from: 10, to: 15 },
    { from: 20, to: 30 },
  ])
  expect(gapsOf(10, [])).toEqual([])
  expect(gapsOf(0, [], 5)).toEqual([{ from: 0, to: 5 }])
})

test('neighbouring chunks beyond a gap make one range, and the number of ranges is bounded', () => {
  const ranges: { from: number; to: number }[] = []
  expect(appendRange(ranges, { n: 5, count: 2 })).toBe(true)
  expect(appendRange(ranges, { n: 7, count: 1 })).toBe(true)
  expect(ranges).toEqual([{ from: 5, to: 8 }])
  for (let i = 1; i < MAX_RANGES; i++) appendRange(ranges, { n: 10 * i, count: 1 })
  expect(appendRange(ranges, { n: 1_000_000, count: 1 })).toBe(false)
  expect(ranges).toHaveLength(MAX_RANGES)
})
