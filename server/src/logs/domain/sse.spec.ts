import { describe, expect, test } from 'vitest'
import { LineFlag, type LogLine } from '@jobtrail/protocol/log/chunk'
import { encodeLines, eventId, namedEvent, parseEventId, textFrom } from './sse.js'

const KEY = { instanceId: '01a1fb82-0f76-78ef-91c6-85373c23ff80', task: 0, attempt: 1 }
const line = (n: number, text: string | Buffer, flags = 0): LogLine => ({ n, at: Date.UTC(2026, 0, 2, 3, 4, 5, 6), flags, text: Buffer.from(text) })

describe('event ID', () => {
  test.each([
    [1, 0, '0'],
    [1, 42, '42'],
    [2, 0, '2:0'],
    [17, 1_000_000, '17:1000000'],
  ])('of attempt %i, line %i is %s, and back', (attempt, n, id) => {
    expect(eventId(attempt, n)).toBe(id)
    expect(parseEventId(id)).toEqual({ attempt, n })
  })

  test.each(['', '-1', 'x', '1:2:3', '0:1', '1.5', ' 1', '1:', ':1', '9'.repeat(40), undefined])('%s is none', (text) => {
    expect(parseEventId(text)).toBeUndefined()
  })
})

describe('lines', () => {
  test('each is an event with its number, in one line of data whatever it holds', () => {
    const { text } = encodeLines(KEY, [line(7, 'a\r\u2028"b"'), line(8, '', LineFlag.STDERR)])
    const events = text.toString().split('\n\n')
    expect(events).toHaveLength(3)
    const [first, second, rest] = events
    expect(first?.split('\n')).toEqual([
      'id: 7',
      `data: ${JSON.stringify({ n: 7, ts: '2026-01-02T03:04:05.006Z', stream: 'stdout', attempt: 1, task: 0, text: 'a\r\u2028"b"' })}`,
    ])
    expect(first).not.toContain('\r')
    expect(second).toContain('"stream":"stderr"')
    expect(rest).toBe('')
  })

  test('bytes that are not UTF-8 show as U+FFFD, cut lines and marker lines say so', () => {
    const { text } = encodeLines({ ...KEY, attempt: 3 }, [line(0, Buffer.from([0x61, 0xff, 0x62]), LineFlag.CUT), line(1, 'left out', LineFlag.MARKER)])
    expect(text.toString()).toContain('id: 3:0\n')
    expect(text.toString()).toContain('"text":"a\ufffdb","cut":true')
    expect(text.toString()).toContain('"stream":"system"')
  })

  test('a follower that begins within a block gets the rest of it', () => {
    const block = encodeLines(KEY, [line(5, 'é'), line(6, 'two'), line(7, 'three')])
    expect(block).toMatchObject({ n: 5, end: 8 })
    expect(textFrom(block, 5)).toBe(block.text)
    expect(textFrom(block, 6).toString()).toMatch(/^id: 6\n/)
    expect(textFrom(block, 7).toString().match(/^id: /gm)).toHaveLength(1)
    expect(textFrom(block, 8)).toHaveLength(0)
  })
})

test('a named event has no ID, so that it does not move the place to come back to', () => {
  expect(namedEvent('end', { state: 'sealed' })).toBe('event: end\ndata: {"state":"sealed"}\n\n')
})
