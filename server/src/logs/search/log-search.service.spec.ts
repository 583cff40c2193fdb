import { expect, test } from 'vitest'
import { LogSearchQuery } from '@jobtrail/api/logs'
import { LineFlag } from '@jobtrail/protocol/log/chunk'
import { type Chunk, ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import { Principal } from '../../rights/principal.js'
import type { LogReader } from '../log-reader.service.js'
import { LogSearchService } from './log-search.service.js'
import { type Search, type SearchPool, SearchStoppedError } from './search-pool.js'
import { type SearchOrder, SearchTask } from './search-task.js'

const key = { instanceId: '01900000-0000-7000-8000-000000000000', task: 0, attempt: 1 }
const somebody = new Principal('user', 'u', 'u', { '*': 'viewer' }, null, null)

/** A sealed log in chunks of `size` lines; a line that begins with `!` is of stderr, one with `~` goes on in the next. */
function serviceWith(lines: string[], size = 3, pool: unknown = inlinePool): LogSearchService {
  const builder = new ChunkBuilder(key)
  const chunks: Chunk[] = []
  const close = (): void => {
    const chunk = builder.close()
    if (chunk !== undefined) chunks.push(chunk)
  }
  lines.forEach((line, i) => {
    const flags = line.startsWith('!') ? LineFlag.STDERR : line.startsWith('~') ? LineFlag.CUT : 0
    builder.add(Buffer.from(line.replace(/^~/, '')), flags, 1_000 + i)
    if ((i + 1) % size === 0) close()
  })
  close()
  const reader = {
    select: async () => ({ instance: {}, key }),
    view: async () => ({ state: 'sealed', prefix: { lines: lines.length } }),
    async *chunks(_key: unknown, from: number, to: number) {
      for (const chunk of chunks) if (chunk.header.n + chunk.header.count > from && chunk.header.n < to) yield chunk
    },
  }
  return new LogSearchService(reader as unknown as LogReader, pool as SearchPool)
}

/** Searches here rather than in a thread. */
const inlinePool = {
  size: 1,
  use: (order: SearchOrder, work: (search: Search) => Promise<unknown>) => {
    const task = new SearchTask(order, () => 0)
    return work({
      search: (chunks, onStep) => {
        for (const chunk of chunks) for (const _ of task.search(chunk)) onStep(task.takeStep())
        return Promise.resolve(task.takeStep())
      },
      finish: () => Promise.resolve(task.takeStep(true)),
    })
  },
}

const search = (service: LogSearchService, query: Record<string, string>) => service.search(somebody, key.instanceId, LogSearchQuery.parse(query))

test('finds every match by its line, and ends where the log does', async () => {
  const page = await search(serviceWith(['a hit', 'b', 'c', 'd', 'HIT e hit']), { q: 'hit' })
  expect(page.matches.map(({ n, at, line }) => [n, at, line?.text])).toEqual([
    [0, [[2, 5]], 'a hit'],
    [
      4,
      [
        [0, 3],
        [6, 9],
      ],
      'HIT e hit',
    ],
  ])
  expect(page.next).toBeNull()
})

test('a full answer says where to go on, and going on finds the rest once', async () => {
  const service = serviceWith(Array.from({ length: 20 }, (_, i) => `x${i}`))
  const found: number[] = []
  let from = 0
  for (;;) {
    const page = await search(service, { q: 'x', limit: '3', from: String(from), lines: 'false' })
    found.push(...page.matches.map(({ n }) => n))
    if (page.next === null) break
    from = page.next
  }
  expect(found).toEqual(Array.from({ length: 20 }, (_, i) => i))
})

test('lines around a match are given also across chunks, beyond a full answer and before the line it begins from', async () => {
  const service = serviceWith(['a', 'b', 'c', 'hit', 'd', 'e', 'f', 'hit'])
  const page = await search(service, { q: 'hit', context: '2', limit: '1', from: '3' })
  expect(page.matches.map(({ before, after }) => [before?.map(({ text }) => text), after?.map(({ text }) => text)])).toEqual([
    [
      ['b', 'c'],
      ['d', 'e'],
    ],
  ])
  expect(page.next).toBe(4)
})

test('colours do not hide a match, and its place is that in the text as it reads', async () => {
  const page = await search(serviceWith(['\u001b[31mERR\u001b[0mOR now']), { q: '^error', mode: 'regex' })
  expect(page.matches[0]?.at).toEqual([[0, 5]])
})

test('an escape sequence without an end hides no text, neither of its line nor of the next', async () => {
  const page = await search(serviceWith(['\u001b]0;no end, an error', 'error', '\u001bPerror\u001b[31', 'error']), { q: 'error' })
  expect(page.matches.map(({ n }) => n)).toEqual([0, 1, 2, 3])
})

test('a word across the cut of a long line is found once, in the line as the process wrote it, also across chunks', async () => {
  const long = 'x'.repeat(40_000)
  for (const size of [1, 2, 10]) {
    const service = serviceWith(['a', `~${long} nee`, '~dl', `e ${long}`, 'after', 'end'], size)
    const page = await search(service, { q: 'needle', context: '1' })
    expect(page.matches.map(({ n, at, line, after }) => [n, at[0]?.[0], line?.pieces, after?.map((next) => next.n)])).toEqual([[1, 40_001, 3, [4]]])
    expect(page.next).toBeNull()
  }
})

test('a full answer passes over no line of the other side that came within a long one', async () => {
  const page = await search(serviceWith(['~hit ', '!hit', 'end'], 1), { q: 'hit', limit: '1' })
  expect([page.matches.map(({ n }) => n), page.next]).toEqual([[0], 1])
})

test('one side only', async () => {
  const page = await search(serviceWith(['one', '!two', 'three']), { q: '^', mode: 'regex', stream: 'stderr' })
  expect(page.matches.map(({ n }) => n)).toEqual([1])
})

test('a search that had to be stopped tells what it found until then, and says so when that is nothing', async () => {
  const stopping = {
    size: 1,
    use: (_: SearchOrder, work: (search: Search) => Promise<unknown>) =>
      work({
        search: (_chunks, onStep) => {
          onStep({ matches: [{ n: 1, at: [[0, 1]] }], reached: 2, isOver: false })
          return Promise.reject(new SearchStoppedError('too long'))
        },
        finish: () => Promise.reject(new Error('not asked for')),
      }),
  }
  const service = serviceWith(['a', 'b', 'c', 'd'], 4, stopping)
  expect(await search(service, { q: 'b', lines: 'false' })).toMatchObject({ matches: [{ n: 1 }], next: 2 })
  await expect(search(service, { q: 'b', from: '2' })).rejects.toMatchObject({ code: 'TOO_BROAD', message: expect.stringContaining('line 2') })
})
