import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { AttemptKey } from '../domain/attempt-key.js'
import { ChunkHeader, StreamTotals } from './chunk.js'
import { ChunkBuilder } from './chunk-builder.js'
import { checkBody, genesisDigest } from './codec.js'

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')
const example = /^#### Example\n([^]*?)^#/m.exec(page)?.[1] ?? ''
/** Line, chunk, time, flags, text. */
const rows = [...example.matchAll(/^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (?:`(.*)` )?\|$/gm)].map(([, n, chunk, at, flags, text = '']) => ({
  ...{ n: Number(n), chunk: Number(chunk), at: Number(at), flags: Number(flags) },
  text: Buffer.from(text),
}))
const blocks = [...example.matchAll(/^```(json)?\n([^]*?)^```$/gm)].map(([, language, text = '']) => ({ isJson: language === 'json', text }))
const objects = blocks.filter(({ isJson }) => isJson).map(({ text }): unknown => JSON.parse(text))
const bytes = blocks.filter(({ isJson }) => !isJson).map(({ text }) => text.replace(/\s/g, ''))

test('the chunks in docs/protocol.md are those that a worker makes of these lines', () => {
  const key = AttemptKey.parse(objects[0])
  const builder = new ChunkBuilder(key)
  const made = [0, 1].flatMap((number) => {
    for (const { text, flags, at } of rows.filter(({ chunk }) => chunk === number)) builder.add(text, flags, at)
    return builder.close() ?? []
  })
  expect(rows.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4])
  expect(objects.slice(0, 2)).toEqual(made.map(({ header }) => header))
  expect(bytes).toEqual([genesisDigest(key), ...made.map(({ data }) => data.toString('hex'))])
  expect(objects[2]).toEqual({ ...builder.closedTotals, losses: [{ reason: 'pressure', at: 3, lines: 2, bytes: 20 }] })
})

test('servers take the example: its bodies hold what its headers say, and its marker line is found', () => {
  const markers = objects.slice(0, 2).map((header, i) => checkBody(ChunkHeader.parse(header), Buffer.from(bytes[i + 1] ?? '', 'hex')))
  expect(markers).toEqual([undefined, 3])
  expect(StreamTotals.parse(objects[2])).toEqual(objects[2])
})
