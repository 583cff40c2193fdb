import { describe, expect, test } from 'vitest'
import { readMessage, withBadItems } from './read-message.js'

const key = (n: number) => ({ instanceId: `018f0000-0000-7000-8000-${String(n).padStart(12, '0')}`, task: 0, attempt: 1 })
const totals = { chunks: 0, lines: 0, bytes: 0, digest: '0'.repeat(64) }
const end = (n: number, changes: object = {}) => ({
  ...key(n),
  ...{ status: 'SUCCEEDED', startedAt: 1, finishedAt: 2, exitCode: 0, signal: null, error: null, result: null, log: totals },
  ...changes,
})
const header = (n: number) => ({
  ...key(n),
  ...{ n: 0, count: 1, bytes: 1, offset: 0, size: 1, encoding: 'plain', firstAt: 1, lastAt: 1, checksum: 1, digest: '0'.repeat(64) },
})
const hello = {
  ...{ protocol: 2, workerId: key(9).instanceId, name: 'w', group: 'default', tags: [], handlers: [], slots: 1 },
  ...{ version: '1', host: 'h', pid: 1, startedAt: 1, attempts: [] },
}

describe('a message of a worker', () => {
  test('loses the items that cannot be read, and no others', () => {
    const read = readMessage('finished', { attempts: [end(1), end(2, { status: 'DONE' }), 'nonsense', end(4)] })
    expect(read).toEqual({
      message: { attempts: [end(1), end(4)] },
      bad: [
        { index: 1, message: expect.stringMatching(/^attempts\.1\.status: /), item: end(2, { status: 'DONE' }) },
        { index: 2, message: expect.stringMatching(/^attempts\.2: /), item: 'nonsense' },
      ],
    })
    expect(withBadItems({ results: ['ok', 'ok'] }, 'bad' in read ? read.bad : [], 'fenced')).toMatchObject({ results: ['ok', 'fenced', 'fenced', 'ok'] })
  })

  test.each([
    [
      'started',
      {
        attempts: [
          { ...key(1), startedAt: 1 },
          { ...key(2), startedAt: 9e15 },
        ],
      },
    ],
    [
      'progress',
      {
        attempts: [
          { ...key(1), percent: 1, message: null },
          { ...key(2), attempt: 0 },
        ],
      },
    ],
    ['heartbeat', { attempts: [key(1), {}], freeSlots: 1, isDraining: false, spoolBytes: 0 }],
    [
      'seal',
      {
        streams: [
          { ...key(1), totals },
          { ...key(2), totals: {} },
        ],
      },
    ],
    ['resume', { streams: [key(1), null] }],
    ['log', { chunks: [header(1), { ...header(2), n: -1 }] }],
    ['hello', { ...hello, attempts: [key(1), { ...key(2), attempt: 0 }], spooled: [key(3)] }],
  ] as const)('%s is read item by item', (event, message) => expect(readMessage(event, message)).toMatchObject({ bad: [{ index: 1 }] }))

  test('is refused as a whole for what is wrong beside its list, or when nothing of it is left', () => {
    expect(readMessage('heartbeat', { attempts: [key(1), {}], freeSlots: -1, isDraining: false, spoolBytes: 0 })).toEqual({ problem: expect.any(String) })
    expect(readMessage('finished', { attempts: [end(1, { attempt: 0, log: null })] })).toEqual({ problem: expect.stringContaining('attempts.0.log') })
    expect(readMessage('seal', { streams: [{ ...key(1), totals: null }] })).toEqual({ problem: expect.stringContaining('streams.0.totals') })
    for (const raw of [undefined, null, 7, [], { attempts: 'all' }, { attempts: [] }]) expect(readMessage('finished', raw)).toHaveProperty('problem')
    expect(readMessage('started', { attempts: Array.from({ length: 501 }, () => ({ ...key(1), startedAt: 1 })) })).toHaveProperty('problem')
  })

  test('is not refused as a whole where it can be told of which attempt something cannot be read', () => {
    const bad = [{ index: 0, message: expect.stringMatching(/^attempts\.0\.log: /), item: end(1, { log: null }) }]
    expect(readMessage('finished', { attempts: [end(1, { log: null })] })).toEqual({ message: { attempts: [] }, bad })
    expect(readMessage('started', { attempts: [{ ...key(1), startedAt: 1.5 }, 'odd'] })).toMatchObject({
      message: { attempts: [] },
      bad: [{ index: 0 }, { index: 1 }],
    })
    expect(readMessage('started', { attempts: Array.from({ length: 501 }, () => ({ ...key(1), startedAt: 1.5 })) })).toHaveProperty('problem')
  })

  test('of an end has cut what only describes it', () => {
    const odd = end(1, { error: 'x'.repeat(1_000_000), signal: 'S'.repeat(50), exitCode: 'one', startedAt: -1, finishedAt: 1e300, resultText: 7 })
    const read = readMessage('finished', { attempts: [odd, end(2)] })
    expect(read).toMatchObject({ bad: [], message: { attempts: [{ ...key(1), status: 'SUCCEEDED', startedAt: null, exitCode: null }, key(2)] } })
    const [first] = 'message' in read ? read.message.attempts : []
    expect([first?.error?.length, first?.signal?.length]).toEqual([8_192, 20])
    expect(new Date(first?.finishedAt ?? Number.NaN).toISOString()).toBe('9999-12-31T23:59:59.999Z')
  })

  test('says hello with what can be read of each of its lists, also when that is nothing', () => {
    const read = readMessage('hello', { ...hello, attempts: ['odd'], spooled: [key(1), { ...key(2), task: -1 }], givenUp: [{}, key(3)] })
    expect(read).toMatchObject({
      message: { attempts: [], spooled: [key(1)], givenUp: [key(3)] },
      bad: [
        { message: expect.stringMatching(/^attempts\.0: /) },
        { message: expect.stringMatching(/^spooled\.1\.task: /) },
        { message: expect.stringMatching(/^givenUp\.0\./) },
      ],
    })
    expect(readMessage('hello', { ...hello, attempts: ['odd'], slots: 0 })).toEqual({ problem: expect.stringMatching(/slots: /) })
    expect(readMessage('hello', 7)).toEqual({ problem: expect.stringMatching(/^message: /) })
  })
})
