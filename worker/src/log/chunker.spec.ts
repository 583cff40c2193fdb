import fc from 'fast-check'
import type { LogLimits } from '@jobtrail/protocol/wire/job'
import { CHUNK_FIRST_LINE_MS, CHUNK_MAX_AGE_MS, CHUNK_MIN_AGE_MS, LineFlag, type LogLine, MAX_LINE_BYTES } from '@jobtrail/protocol/log/chunk'
import type { Chunk } from '@jobtrail/protocol/log/chunk-builder'
import { decodeLines, joinLines, unpackBody } from '@jobtrail/protocol/log/codec'
import { describe, expect, it, vi } from 'vitest'
import { Chunker } from './chunker.js'
import { FlushClock } from './flush-clock.js'
import { LineSplitter } from './line-splitter.js'
import { Masker } from './masker.js'
import { SecretPatterns } from './secret-patterns.js'

const KEY = { instanceId: '01890a5d-ac96-774b-bcce-b302099a8057', task: 0, attempt: 1 }
type Read = { isError: boolean; bytes: Buffer }

/** Splits and chunks the reads; returns the lines as decoded from the chunks. */
function run(reads: readonly Read[], limits: Partial<LogLimits> = {}, secrets: readonly string[] = []): LogLine[] {
  const clock = new FlushClock()
  const chunks: Chunk[] = []
  const chunker = new Chunker(KEY, { maxLines: 0, maxBytes: 0, onPressure: 'block', ...limits }, clock, (chunk) => chunks.push(chunk))
  const patterns = SecretPatterns.of(secrets)
  const intake = (flag: number) => {
    const masker = patterns === undefined ? undefined : new Masker(patterns)
    const splitter = new LineSplitter(flag, (text, flags, at) => chunker.add(text, flags, at))
    return {
      push: (bytes: Buffer, at: number) => splitter.push(masker?.feed(bytes) ?? bytes, at),
      end: (at: number) => {
        if (masker !== undefined) splitter.push(masker.end(), at)
        splitter.end(at)
      },
    }
  }
  const [out, err] = [intake(0), intake(LineFlag.STDERR)]
  for (const { isError, bytes } of reads) {
    const copy = Buffer.from(bytes)
    ;(isError ? err : out).push(copy, 1_000)
  }
  out.end(1_000)
  err.end(1_000)
  const totals = chunker.end(1_000)
  clock.close()
  const lines = chunks.flatMap(({ header, data }) => decodeLines(header, unpackBody(header.encoding, data)))
  expect(lines.map(({ n }) => n)).toEqual(lines.map((_, i) => i))
  expect(totals).toMatchObject({ chunks: chunks.length, lines: lines.length })
  return lines
}
const side = (lines: readonly LogLine[], isError: boolean): Buffer => joinLines(lines.filter(({ flags }) => ((flags & LineFlag.STDERR) !== 0) === isError))
const sideOf = (reads: readonly Read[], isError: boolean): Buffer => Buffer.concat(reads.filter((read) => read.isError === isError).map(({ bytes }) => bytes))
const texts = (lines: readonly LogLine[]): string[] => lines.map(({ text }) => text.toString())
const out = (text: string): Read => ({ isError: false, bytes: Buffer.from(text) })
/** Cuts the bytes into reads of these lengths. */
function cutReads(bytes: Buffer, lengths: readonly number[]): Read[] {
  const reads: Read[] = []
  let at = 0
  for (const length of lengths) {
    reads.push({ isError: false, bytes: bytes.subarray(at, at + length) })
    at += length
  }
  return [...reads, { isError: false, bytes: bytes.subarray(at) }]
}

const anyRead = fc.record({
  isError: fc.boolean(),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc.array(fc.constantFrom(0x0a, 0x61, 0xf0), { maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(fc.integer({ min: MAX_LINE_BYTES - 3, max: MAX_LINE_BYTES * 2 + 3 }), fc.boolean())
      .map(([length, ends]) => Buffer.concat([Buffer.alloc(length, 'x'), Buffer.from(ends ? '\n' : '')])),
  ),
})

describe('lines and chunks', () => {
  it('hold the bytes of each side exactly, however they were read', () => {
    fc.assert(
      fc.property(fc.array(anyRead, { maxLength: 25 }), (reads) => {
        const lines = run(reads)
        for (const isError of [false, true]) expect(side(lines, isError).equals(sideOf(reads, isError))).toBe(true)
        for (const { text } of lines) expect(text.length).toBeLessThanOrEqual(MAX_LINE_BYTES)
      }),
      { numRuns: 150 },
    )
  })

  it('hold a burst of many short lines', () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => `${i}\n`).join(''))
    const lines = run(
      cutReads(
        bytes,
        Array.from({ length: 10 }, () => 65_536),
      ),
    )
    expect(lines.length).toBe(100_000)
    expect(joinLines(lines).equals(bytes)).toBe(true)
  })

  it('cut a line only when it is longer than the longest', () => {
    expect(run([out('x'.repeat(MAX_LINE_BYTES)), out('\n')]).map(({ flags }) => flags)).toEqual([0])
    expect(run([out('x'.repeat(MAX_LINE_BYTES)), out('y\n')]).map(({ flags, text }) => [flags, text.length])).toEqual([
      [LineFlag.CUT, MAX_LINE_BYTES],
      [0, 1],
    ])
  })

  it('cut no line inside a character', () => {
    for (const character of ['é', '日', '🙂']) {
      for (let before = 0; before < 5; before++) {
        const text = `${'x'.repeat(MAX_LINE_BYTES - before)}${character}${'y'.repeat(10)}`
        for (const lengths of [[], [MAX_LINE_BYTES], [MAX_LINE_BYTES - before + 1]]) {
          const lines = run([...cutReads(Buffer.from(text), lengths), out('\n')])
          expect(texts(lines).join('')).toBe(text)
          expect(lines.map(({ flags }) => flags)).toEqual([LineFlag.CUT, 0])
        }
      }
    }
  })

  it('flag a last line without newline, and only that', () => {
    expect(run([out('a\n')]).map(({ flags }) => flags)).toEqual([0])
    expect(run([out('a\nb')]).map(({ flags }) => flags)).toEqual([0, LineFlag.NO_NEWLINE])
  })
})

describe('an open chunk', () => {
  it.each([
    [0, CHUNK_MIN_AGE_MS],
    [2, 3 * CHUNK_MIN_AGE_MS],
    [50, CHUNK_MAX_AGE_MS],
  ])('is closed soon after the first line, beside %i others at an age of %i ms afterwards, also when the wall clock is set back', async (others, age) => {
    vi.useFakeTimers()
    try {
      const clock = new FlushClock()
      const chunks: Chunk[] = []
      const chunker = new Chunker(KEY, { maxLines: 0, maxBytes: 0, onPressure: 'block' }, clock, (chunk) => chunks.push(chunk))
      const line = () => chunker.add(Buffer.from('x'), 0, Date.now())
      for (let i = 0; i < others; i++) clock.set({ flush: () => undefined }, Infinity)
      line()
      vi.setSystemTime(Date.now() - 3_600_000)
      await vi.advanceTimersByTimeAsync(CHUNK_FIRST_LINE_MS)
      expect(chunks).toHaveLength(1)
      line()
      vi.setSystemTime(Date.now() - 3_600_000)
      await vi.advanceTimersByTimeAsync(age - 1)
      expect(chunks).toHaveLength(1)
      await vi.advanceTimersByTimeAsync(1)
      expect(chunks).toHaveLength(2)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('secrets', () => {
  it('are masked however the bytes were read', () => {
    expect(texts(run([out('pass=hun'), out('ter22'), out('!\nhunter22hunter22\n'), out('hunter2\n')], {}, ['hunter22']))).toEqual([
      'pass=***!',
      '******',
      'hunter2',
    ])
  })

  it('are masked where a long line is cut', () => {
    const text = `${'x'.repeat(MAX_LINE_BYTES - 4)}topsecret${'y'.repeat(100)}`
    for (const split of [10, MAX_LINE_BYTES - 2, MAX_LINE_BYTES, MAX_LINE_BYTES + 1]) {
      const lines = run([...cutReads(Buffer.from(text), [split]), out('\n')], {}, ['topsecret'])
      expect(joinLines(lines).toString()).toBe(`${text.replace('topsecret', '***')}\n`)
    }
  })

  it('that overlap leave nothing behind', () => {
    expect(texts(run([out('-abcdef-\n')], {}, ['abcd', 'cdef']))).toEqual(['-***-'])
  })

  it('of several lines are masked line by line', () => {
    expect(texts(run([out('first-part\nsecond-part\n')], {}, ['first-part\nsecond-part']))).toEqual(['***', '***'])
  })

  it('mask the same whatever the reads are', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'ab', 'aab', '\n', 'secret'), { maxLength: 60 }).map((parts) => Buffer.from(parts.join('')))
    fc.assert(
      fc.property(
        text,
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 30 }),
        fc.subarray(['aaba', 'abab', 'secret', 'baabaa']),
        (bytes, lengths, secrets) => {
          const whole = run([{ isError: false, bytes }], {}, secrets)
          expect(texts(run(cutReads(bytes, lengths), {}, secrets))).toEqual(texts(whole))
          for (const line of texts(whole)) for (const secret of secrets) expect(line).not.toContain(secret)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('limits', () => {
  const input = [out('1\n2\n3\n4\n5\n')]

  it('of lines leave a marker where they are reached and the counts at the end', () => {
    const lines = run(input, { maxLines: 2 })
    expect(texts(lines)).toEqual([
      '1',
      '2',
      '[jobtrail] log limit of 2 lines reached; what follows is left out',
      '[jobtrail] 3 lines (6 bytes) left out by the log limit',
    ])
    expect(lines.map(({ flags }) => flags)).toEqual([0, 0, LineFlag.MARKER, LineFlag.MARKER])
  })

  it('of bytes leave out the line that would pass them', () => {
    expect(texts(run(input, { maxBytes: 5 }))).toEqual([
      '1',
      '2',
      '[jobtrail] log limit of 5 bytes reached; what follows is left out',
      '[jobtrail] 3 lines (6 bytes) left out by the log limit',
    ])
  })

  it('that are just met leave no marker', () => {
    expect(texts(run(input, { maxLines: 5, maxBytes: 10 }))).toEqual(['1', '2', '3', '4', '5'])
  })
})
