import { expect, test } from 'vitest'
import { type Chunk, ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import { ChunkLines } from './chunk-lines.js'
import { ContextLines } from './context-lines.js'

const key = { instanceId: '01900000-0000-7000-8000-000000000000', task: 0, attempt: 1 }
function buildChunks(lines: string[], size: number): Chunk[] {
  const builder = new ChunkBuilder(key)
  const chunks: (Chunk | undefined)[] = []
  lines.forEach((line, i) => {
    builder.add(Buffer.from(line), 0, i)
    if ((i + 1) % size === 0) chunks.push(builder.close())
  })
  chunks.push(builder.close())
  return chunks.filter((chunk) => chunk !== undefined)
}

test('context reaches over the borders of chunks, on both sides', () => {
  const chunks = buildChunks(['a', 'b', 'c', 'd', 'e', 'f', 'g'], 2).map((chunk) => new ChunkLines(chunk))
  const context = new ContextLines(3)
  const after: number[] = []
  let before: number[] = []
  for (const chunk of chunks) {
    context.enter(chunk)
    if (chunk.from <= 3 && 3 < chunk.end) {
      before = context.before(chunk, 3).map(({ n }) => n)
      context.after(chunk, 3, 1, ({ n }) => after.push(n))
    }
    context.pass(chunk)
  }
  expect(before).toEqual([0, 1, 2])
  expect(after).toEqual([4, 5, 6])
  expect(context.isWaiting).toBe(false)
})

test('the text of a chunk begins with its first line, without escape sequences', () => {
  const [chunk] = buildChunks(['\u001b[31mred\u001b[0m', 'plain'], 2)
  expect(chunk === undefined ? undefined : new ChunkLines(chunk).text).toBe('red\nplain\n')
})
