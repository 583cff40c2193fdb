import { expect, test } from 'vitest'
import { giveTurn } from './turns.js'

const work = (ms: number): void => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('however much long work there is, others are served after a turn of one of it', async () => {
  let pieces = 0
  let rounds = 0
  let isDone = false
  const round = (): void => {
    rounds++
    if (!isDone) setImmediate(round)
  }
  setImmediate(round)
  const long = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      await giveTurn()
      work(11)
      pieces++
    }
  }
  await Promise.all([long(), long(), long(), long()])
  isDone = true
  expect(pieces).toBe(20)
  // Each piece used up a turn, so that each had a round of the event loop of its own.
  expect(rounds).toBeGreaterThanOrEqual(19)
})

test('short pieces share a turn', async () => {
  await giveTurn()
  let isNextRound = false
  setImmediate(() => (isNextRound = true))
  await giveTurn()
  await giveTurn()
  expect(isNextRound).toBe(false)
})
