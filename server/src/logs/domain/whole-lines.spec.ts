import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineFlag, type LogLine } from '@jobtrail/protocol/log/chunk'
import { joinLines } from '@jobtrail/protocol/log/codec'
import { LineJoiner, MAX_PIECES, wholeLines } from './whole-lines.js'

const line = (n: number, text: string | Buffer, flags = 0): LogLine => ({ n, at: n, flags, text: Buffer.from(text) })

test('the pieces of a line are one line, with the characters that were cut, though lines of the other side and markers came in between', () => {
  const euro = Buffer.from('€')
  const lines = [
    line(0, 'short'),
    line(1, Buffer.concat([Buffer.from('a '), euro.subarray(0, 1)]), LineFlag.CUT),
    line(2, 'error', LineFlag.STDERR),
    line(3, 'left out', LineFlag.MARKER),
    line(4, Buffer.concat([euro.subarray(1), Buffer.from(' b')])),
    line(5, 'next'),
  ]
  expect(wholeLines(lines).map(({ n, text, pieces }) => [n, text.toString(), pieces])).toEqual([
    [0, 'short', 1],
    [1, 'a € b', 2],
    [2, 'error', 1],
    [3, 'left out', 1],
    [5, 'next', 1],
  ])
})

test('a line that is not whole yet is held back, and given as it is at the end of the log', () => {
  const joiner = new LineJoiner()
  expect(joiner.add(line(0, 'a'))).toHaveLength(1)
  expect(joiner.add(line(1, 'b', LineFlag.CUT))).toEqual([])
  expect([joiner.isOpen, joiner.next]).toEqual([true, 1])
  expect(joiner.rest()).toEqual([{ ...line(1, 'b', LineFlag.CUT), pieces: 1 }])
  expect([joiner.isOpen, joiner.next]).toEqual([false, 2])
})

test('what waits for a line that is never finished is bounded in bytes', () => {
  const joiner = new LineJoiner()
  expect(joiner.add(line(0, 'never finished', LineFlag.CUT))).toEqual([])
  const long = Buffer.alloc(64 * 1024)
  let held = 0
  let most = 0
  for (let n = 1; n <= 500; n++) {
    held += long.length
    for (const { text } of joiner.add(line(n, long, LineFlag.STDERR))) held -= text.length
    most = Math.max(most, held)
  }
  expect(most).toBeLessThanOrEqual(5 * 1024 * 1024)
})

test('nothing is lost or doubled, whatever is cut; lines are in order, and no longer than their bound', () => {
  const piece = fc.record({
    flags: fc.constantFrom(0, LineFlag.CUT, LineFlag.STDERR, LineFlag.STDERR | LineFlag.CUT, LineFlag.MARKER),
    text: fc.string({ maxLength: 5 }),
  })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
      const lines = pieces.map(({ flags, text }, n) => line(n, text, flags))
      const whole = wholeLines(lines)
      expect(whole.map(({ n }) => n)).toEqual(whole.map(({ n }) => n).toSorted((a, b) => a - b))
      expect(Math.max(0, ...whole.map((each) => each.pieces))).toBeLessThanOrEqual(MAX_PIECES)
      expect(whole.reduce((sum, each) => sum + each.pieces, 0)).toBe(lines.length)
      for (const side of [0, LineFlag.STDERR]) {
        const of = (all: readonly LogLine[]) =>
          joinLines(all.filter(({ flags }) => (flags & LineFlag.STDERR) === side && (flags & LineFlag.MARKER) === 0)).toString()
        expect(of(whole)).toBe(of(lines))
      }
    }),
  )
})
