import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LineFlag, MAX_CHUNK_LINES } from './chunk.js'
import { type Chunk, ChunkBuilder } from './chunk-builder.js'
import { chainDigest, checkBody, countLines, decodeLines, genesisDigest, isChecksumRight, joinLines, rawText, unpackBody } from './codec.js'
import { mergeRanges, missingRanges } from './ranges.js'

const key = { instanceId: '01234567-89ab-7def-8123-456789abcdef', task: 0, attempt: 1 }
const lineText = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x0a)))
const line = fc.record({
  text: lineText,
  flags: fc.constantFrom(0, LineFlag.STDERR, LineFlag.CUT, LineFlag.NO_NEWLINE | LineFlag.STDERR),
  step: fc.integer({ min: -50, max: 100_000 }),
})

function build(lines: { text: Buffer; flags: number; step: number }[], perChunk: number): { chunks: Chunk[]; builder: ChunkBuilder } {
  const builder = new ChunkBuilder(key)
  const chunks: Chunk[] = []
  let at = 1_700_000_000_000
  for (const { text, flags, step } of lines) {
    at += step
    builder.add(text, flags, at)
    if (builder.pendingLines === perChunk || builder.isFull) chunks.push(...[builder.close()].filter((chunk) => chunk !== undefined))
  }
  const last = builder.close()
  if (last !== undefined) chunks.push(last)
  return { chunks, builder }
}

describe('chunks', () => {
  test('give back every byte, flag and time of what went in, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (lines, perChunk) => {
        const { chunks } = build(lines, perChunk)
        const decoded = chunks.flatMap(({ header, data }) => {
          expect(isChecksumRight(header, data)).toBe(true)
          expect(() => checkBody(header, unpackBody(header.encoding, data))).not.toThrow()
          expect(countLines(unpackBody(header.encoding, data))).toBe(header.count)
          return decodeLines(header, unpackBody(header.encoding, data))
        })
        expect(decoded.map(({ n }) => n)).toEqual(lines.map((_, i) => i))
        expect(decoded.map(({ flags }) => flags)).toEqual(lines.map(({ flags }) => flags))
        expect(Buffer.concat(decoded.map(({ text }) => text)).equals(Buffer.concat(lines.map(({ text }) => text)))).toBe(true)
        for (let i = 1; i < decoded.length; i++) expect(decoded[i]?.at).toBeGreaterThanOrEqual(decoded[i - 1]?.at ?? 0)
        const raw = Buffer.concat(chunks.map(({ header, data }) => rawText(header, unpackBody(header.encoding, data))))
        expect(raw.equals(joinLines(decoded))).toBe(true)
        expect(chunks.reduce((sum, { header }) => sum + header.bytes, 0)).toBe(raw.length)
      }),
      { numRuns: 200 },
    )
  })

  test('chain their digests from the genesis of their stream', () => {
    const lines = Array.from({ length: 2_500 }, (_, i) => ({ text: Buffer.from(`line ${i}`), flags: 0, step: 1 }))
    const { chunks, builder } = build(lines, MAX_CHUNK_LINES)
    let digest = genesisDigest(key)
    for (const { header, data } of chunks) {
      digest = chainDigest(digest, header, unpackBody(header.encoding, data))
      expect(header.digest).toBe(digest)
    }
    expect(builder.closedTotals).toMatchObject({ chunks: 3, lines: 2_500, digest })
    expect(genesisDigest({ ...key, attempt: 2 })).not.toBe(genesisDigest(key))
  })

  test('a changed byte breaks checksum and digest', () => {
    const { chunks } = build([{ text: Buffer.from('pay 100'), flags: 0, step: 0 }], 1)
    const [chunk] = chunks
    if (chunk === undefined) throw new Error('no chunk')
    const forged = Buffer.from(chunk.data)
    forged[forged.length - 2] = (forged[forged.length - 2] ?? 0) ^ 1
    expect(isChecksumRight(chunk.header, forged)).toBe(false)
    expect(chainDigest(genesisDigest(key), chunk.header, forged)).not.toBe(chunk.header.digest)
  })

  test('a body that does not hold what its header promises is refused', () => {
    const body = Buffer.from([0, 0, ...Buffer.from('a\nb\n')])
    const header = { n: 0, count: 2, firstAt: 0 }
    expect(decodeLines(header, body)).toHaveLength(2)
    expect(() => decodeLines({ ...header, count: 3 }, body)).toThrow(RangeError)
    expect(() => decodeLines({ ...header, count: 1 }, body)).toThrow(RangeError)
    expect(() => decodeLines(header, body.subarray(0, -1))).toThrow(RangeError)
    for (const bytes of [0, 3, 5]) expect(() => checkBody({ ...header, bytes }, body)).toThrow(`4 bytes where ${bytes}`)
    expect(() => checkBody({ ...header, bytes: 4, firstAt: 8.7e15 }, body)).toThrow('a time')
    expect(checkBody({ ...header, bytes: 4 }, body)).toBeUndefined()
    expect(checkBody({ ...header, bytes: 4 }, Buffer.from([0, 8, ...Buffer.from('a\nb\n')]))).toBe(1)
  })
})

describe('ranges', () => {
  test('missing and stored together are the whole, without overlap', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.boolean()), { maxLength: 60 }), (parts) => {
        let n = 0
        const stored: { n: number; count: number }[] = []
        const missing = new Set<number>()
        for (const [count, isStored] of parts) {
          if (isStored) stored.push({ n, count })
          else for (let i = 0; i < count; i++) missing.add(n + i)
          n += count
        }
        const found = missingRanges(mergeRanges(stored), n).flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i))
        expect(found).toEqual([...missing])
      }),
    )
  })
})
