import { describe, expect, it } from 'vitest'
import { MAX_RUN_MESSAGE_BYTES, splitMessages } from './run-messages.js'

const item = (n: number, bytes: number) => ({ candidate: n, assignment: `assignment ${n}`, bytes })

describe('assignments of a worker', () => {
  it('go out in one message, in order, as far as its number and size allow', () => {
    expect(splitMessages([item(0, 10), item(1, 10)], 10)).toEqual([{ items: [item(0, 10), item(1, 10)], bytes: 20 }])
    expect(
      splitMessages(
        [0, 1, 2].map((n) => item(n, 10)),
        2,
      ).map(({ items }) => items.length),
    ).toEqual([2, 1])
    const third = MAX_RUN_MESSAGE_BYTES / 3
    expect(
      splitMessages(
        [0, 1, 2, 3].map((n) => item(n, third)),
        100,
      ).map(({ items }) => items.map(({ candidate }) => candidate)),
    ).toEqual([[0, 1, 2], [3]])
  })

  it('that are larger than a message have one each', () => {
    const huge = 2 * MAX_RUN_MESSAGE_BYTES
    expect(splitMessages([item(0, 1), item(1, huge), item(2, 1)], 100).map(({ items }) => items.length)).toEqual([1, 1, 1])
    expect(splitMessages([], 100)).toEqual([])
  })
})
