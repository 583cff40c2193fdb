import { expect, test } from 'vitest'
import { LineFlag } from '@jobtrail/protocol/log/chunk'
import { ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import { linesOf, writtenBytes } from './chunk-lines.js'

function built(texts: readonly string[]) {
  const builder = new ChunkBuilder({ instanceId: '01a1fb82-0f76-78ef-91c6-85373c23ff80', task: 0, attempt: 1 })
  for (const text of texts) builder.add(Buffer.from(text), 0, 1_000)
  return builder.close() ?? expect.fail('no chunk')
}
const texts = ['one', 'two', 'three']
const shown = (chunk: Parameters<typeof linesOf>[0]) => linesOf(chunk).map(({ n, flags, text }) => [n, flags, text.toString()])

test('a chunk that holds other lines than its header says shows those it has, and names the damage under the numbers that it should have', () => {
  const { header, data } = built(texts)
  expect(shown({ header: { ...header, count: 5 }, data })).toEqual([
    [0, 0, 'one'],
    [1, 0, 'two'],
    [2, 0, 'three'],
    [3, LineFlag.MARKER, expect.stringContaining('lines 4 to 5 are damaged')],
    [4, LineFlag.MARKER, '[jobtrail] damaged'],
  ])
  expect(shown({ header: { ...header, count: 2 }, data })).toEqual([
    [0, 0, 'one'],
    [1, 0, expect.stringMatching(/^two .*1 more lines/)],
  ])
})

test('one that does not decompress, or has no line table, shows the damage in place of each line', () => {
  const { header, data } = built(texts)
  for (const damaged of [
    { header: { ...header, encoding: 'br' as const }, data },
    { header, data: Buffer.alloc(20, 0xff) },
    { header, data: Buffer.concat([Buffer.alloc(12, 0xff), data]) },
  ]) {
    expect(shown(damaged).map(([n, flags]) => [n, flags])).toEqual(texts.map((_, n) => [n, LineFlag.MARKER]))
  }
})

test('its bytes are as many as were announced, with a note where they are not those that are stored', () => {
  const { header, data } = built(texts)
  expect(writtenBytes({ header, data }).toString()).toBe('one\ntwo\nthree\n')
  for (const bytes of [0, 5, 100, 10_000]) {
    const written = writtenBytes({ header: { ...header, bytes }, data })
    expect(written).toHaveLength(bytes)
    if (bytes >= 100) expect(written.toString()).toContain('are damaged')
  }
  expect(writtenBytes({ header: { ...header, bytes: 100 }, data }).toString()).toMatch(/^one\ntwo\nthree\n/)
})
