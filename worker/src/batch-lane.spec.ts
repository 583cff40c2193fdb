import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BatchLane } from './batch-lane.js'
import { NoAnswerError, NotConnectedError, RefusedError } from './errors.js'

describe('batch lane', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  type Answer = { resolve: () => void; reject: (error: Error) => void }
  function setUp(changes: { maxItems?: number; maxBytes?: number; maxInFlight?: number } = {}) {
    const sent: string[][] = []
    const answers: Answer[] = []
    const rejected: string[] = []
    const link = { isConnected: true }
    const lane = new BatchLane<string>({
      maxItems: 3,
      maxBytes: 1_000,
      maxInFlight: 1,
      ...changes,
      sizeOf: (item) => item.length,
      isConnected: () => link.isConnected,
      send: (items) =>
        new Promise((resolve, reject) => {
          sent.push(items)
          answers.push({ resolve, reject })
        }),
      onRejected: (item) => rejected.push(item),
      onFailure: () => undefined,
    })
    const put = (...items: string[]) => items.forEach((item) => lane.put(item.charAt(0), item))
    const settle = () => vi.advanceTimersByTimeAsync(0)
    return { lane, sent, answers, rejected, link, put, settle }
  }

  it('collects while a message is under way and keeps to its bounds', async () => {
    const { lane, sent, answers, put, settle } = setUp({ maxBytes: 10 })
    put('a1')
    lane.pump()
    put('b1', 'c1', 'd1', 'e1')
    lane.pump()
    expect(sent).toEqual([['a1']])
    answers[0]?.resolve()
    await settle()
    expect(sent[1]).toEqual(['b1', 'c1', 'd1'])
    put('f-much-too-long', 'g1')
    answers[1]?.resolve()
    await settle()
    expect(sent[2]).toEqual(['e1'])
    answers[2]?.resolve()
    await settle()
    expect(sent[3]).toEqual(['f-much-too-long'])
  })

  it('sends again after a pause when there is no answer, but never an older item over a newer one', async () => {
    const { lane, sent, answers, put, settle } = setUp()
    put('a1', 'b1')
    lane.pump()
    put('a2')
    answers[0]?.reject(new NoAnswerError('x', 'none'))
    await settle()
    expect(sent).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(sent[1]).toEqual(['a2', 'b1'])
  })

  it('waits for the next connection when there is none', async () => {
    const { lane, sent, answers, link, put, settle } = setUp()
    put('a1')
    lane.pump()
    link.isConnected = false
    answers[0]?.reject(new NotConnectedError('gone'))
    await settle()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(sent).toHaveLength(1)
    link.isConnected = true
    lane.wake()
    expect(sent[1]).toEqual(['a1'])
  })

  it('finds the one bad item of a refused batch and delivers the others', async () => {
    const { lane, sent, answers, rejected, put } = setUp()
    put('a1', 'b1', 'c1')
    lane.pump()
    for (let i = 0; i < sent.length; i++) {
      const isRefused = sent[i]?.includes('b1') === true
      if (isRefused) answers[i]?.reject(new RefusedError('x', 'VALIDATION_FAILED', 'bad'))
      else answers[i]?.resolve()
      await vi.advanceTimersByTimeAsync(3_000)
    }
    expect(sent).toEqual([['a1', 'b1', 'c1'], ['a1', 'b1'], ['c1'], ['a1'], ['b1']])
    expect(rejected).toEqual(['b1'])
    expect(lane.isIdle).toBe(true)
  })

  it('a newer item takes the place of the one in a refused half', async () => {
    const { lane, sent, answers, put, settle } = setUp()
    put('a1', 'b1')
    lane.pump()
    put('b2')
    answers[0]?.reject(new RefusedError('x', 'VALIDATION_FAILED', 'bad'))
    await settle()
    put('a2')
    answers[1]?.resolve()
    await settle()
    expect(sent).toEqual([['a1', 'b1'], ['a1'], ['b2', 'a2']])
  })
})
