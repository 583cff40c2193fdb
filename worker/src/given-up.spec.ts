import { expect, test } from 'vitest'
import { GivenUp } from './given-up.js'

const key = (attempt: number) => ({ instanceId: 'one', task: 0, attempt })

test('what was given up is said until a message that was sent later is answered', () => {
  let now = 0
  const givenUp = new GivenUp(() => now)
  expect(givenUp.said).toEqual({})
  givenUp.add(key(1))
  now = 10
  // Sent before the second was given up.
  givenUp.add(key(2))
  expect(givenUp.said).toEqual({ givenUp: [key(1), key(2)] })
  givenUp.answered(5)
  expect(givenUp.said).toEqual({ givenUp: [key(2)] })
  givenUp.answered(10)
  expect(givenUp.said).toEqual({ givenUp: [key(2)] })
  givenUp.answered(11)
  expect(givenUp.said).toEqual({})
})

test('no more is kept than a message holds: the newest', () => {
  const givenUp = new GivenUp(() => 0)
  for (let attempt = 1; attempt <= 20_001; attempt++) givenUp.add(key(attempt))
  expect(givenUp.said.givenUp).toHaveLength(20_000)
  expect(givenUp.said.givenUp?.at(-1)).toEqual(key(20_001))
})
