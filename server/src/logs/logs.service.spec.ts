import { expect, test } from 'vitest'
import { LogQuery } from '@jobtrail/api/logs'
import { LineFlag } from '@jobtrail/protocol/log/chunk'
import { type Chunk, ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import { Principal } from '../rights/principal.js'
import type { LogReader } from './log-reader.service.js'
import { LogsService } from './logs.service.js'

const key = { instanceId: '01900000-0000-7000-8000-000000000000', task: 0, attempt: 1 }
const somebody = new Principal('user', 'u', 'u', { '*': 'viewer' }, null, null)

/** A sealed log in chunks of two lines; a line that begins with `!` is of stderr, one that ends with `~` goes on in the next of its side. */
function serviceWith(lines: readonly string[]): LogsService {
  const builder = new ChunkBuilder(key)
  const chunks: (Chunk | undefined)[] = []
  lines.forEach((line, i) => {
    const flags = (line.startsWith('!') ? LineFlag.STDERR : 0) | (line.endsWith('~') ? LineFlag.CUT : 0)
    builder.add(Buffer.from(line.replaceAll(/^!|~$/g, '')), flags, 1_000)
    if (i % 2 === 1) chunks.push(builder.close())
  })
  const built = [...chunks, builder.close()].filter((chunk) => chunk !== undefined)
  const within = (from: number, to: number) => built.filter(({ header }) => header.n + header.count > from && header.n < to)
  const reader = {
    select: async () => ({ key }),
    view: async () => ({ state: 'sealed', prefix: { lines: lines.length } }),
    async *chunks(_: unknown, from: number, to: number) {
      yield* within(from, to)
    },
    async *chunksDown(_: unknown, from: number, to: number) {
      yield* within(from, to).toReversed()
    },
  }
  return new LogsService(reader as unknown as LogReader)
}

async function page(service: LogsService, query: Record<string, string>) {
  const { lines, next } = await service.page(somebody, key.instanceId, LogQuery.parse(query))
  return { lines: lines.map(({ n, text, pieces = 1, cut }) => [n, `${text}${cut === true ? '~' : ''}`, pieces]), next }
}

const log = serviceWith(['a', 'b1 ~', 'b2 ~', 'b3', 'c', 'd1 ~', '!e', 'd2'])

test('a page has a long line as one item, also when it ends behind the page, and goes on behind it', async () => {
  expect(await page(log, {})).toEqual({
    lines: [
      [0, 'a', 1],
      [1, 'b1 b2 b3', 3],
      [4, 'c', 1],
      [5, 'd1 d2', 2],
      [6, 'e', 1],
    ],
    next: null,
  })
  expect(await page(log, { limit: '2' })).toEqual({
    lines: [
      [0, 'a', 1],
      [1, 'b1 b2 b3', 3],
    ],
    next: 4,
  })
  expect(await page(log, { from: '2', limit: '1' })).toEqual({ lines: [[2, 'b2 b3', 2]], next: 4 })
})

test('a page of one side puts together what is of that side', async () => {
  expect((await page(log, { stream: 'stdout', from: '4' })).lines).toEqual([
    [4, 'c', 1],
    [5, 'd1 d2', 2],
  ])
})

test('so has one in descending order, as far as the line is within it, and by pieces each is an item', async () => {
  expect((await page(log, { order: 'desc', limit: '4' })).lines).toEqual([
    [6, 'e', 1],
    [5, 'd1 d2', 2],
    [4, 'c', 1],
  ])
  expect((await page(log, { pieces: 'true', limit: '3' })).lines).toEqual([
    [0, 'a', 1],
    [1, 'b1 ~', 1],
    [2, 'b2 ~', 1],
  ])
})
