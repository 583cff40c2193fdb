import { expect, test } from 'vitest'
import { LineFlag, type LogLine } from '@jobtrail/protocol/log/chunk'
import { TimedText } from './timed-text.js'
import { LineJoiner, MAX_PIECES } from './whole-lines.js'

const line = (n: number, text: string, flags = 0): LogLine => ({ n, at: 0, flags, text: Buffer.from(text) })
const TIME = '1970-01-01T00:00:00.000Z '

/** The lines as a download gives them, which puts pieces together as far as its bound allows. */
function timed(lines: readonly LogLine[]): string {
  const joiner = new LineJoiner()
  const text = new TimedText()
  return Buffer.concat([...lines.map((each) => text.of(joiner.add(each))), text.of(joiner.rest())]).toString()
}

test('each line has its time, an empty one too, on either side', () => {
  expect(timed([line(0, 'a'), line(1, 'b', LineFlag.STDERR), line(2, '')])).toBe(`${TIME}a\n${TIME}b\n${TIME}\n`)
})

test.each([2, MAX_PIECES, MAX_PIECES + 1, 3 * MAX_PIECES + 5])('a line of %i pieces has one time, in front, and the next line has its own', (count) => {
  const pieces = Array.from({ length: count }, (_, n) => line(n, `<${n}>`, n < count - 1 ? LineFlag.CUT : 0))
  const text = pieces.map((piece) => piece.text.toString()).join('')
  expect(timed([...pieces, line(count, 'next')])).toBe(`${TIME}${text}\n${TIME}next\n`)
})

test('a line of the other side keeps its time when it comes within a line that is too long to be put together', () => {
  const pieces = Array.from({ length: MAX_PIECES + 1 }, (_, n) => line(n, 'x', n < MAX_PIECES ? LineFlag.CUT : 0))
  const within = pieces.toSpliced(MAX_PIECES, 0, line(0, 'e', LineFlag.STDERR)).map((each, n) => ({ ...each, n }))
  expect(timed(within)).toBe(`${TIME}${'x'.repeat(MAX_PIECES)}${TIME}e\nx\n`)
})
