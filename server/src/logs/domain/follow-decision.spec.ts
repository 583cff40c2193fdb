import { expect, test } from 'vitest'
import { followDecision } from './follow-decision.js'

test.each([
  ['an open stream', { state: 'open', status: 'RUNNING', latestAttempt: 1 }, 'wait', 'wait'],
  ['an open stream of an ended instance, whose last lines are on their way', { state: 'open', status: 'SUCCEEDED', latestAttempt: 1 }, 'wait', 'wait'],
  ['a sealed stream before the attempt is known to have ended', { state: 'sealed', status: 'RUNNING', latestAttempt: 1 }, 'wait', 'end'],
  ['a sealed stream whose instance waits for a retry', { state: 'sealed', status: 'WAITING', latestAttempt: 1 }, 'wait', 'end'],
  ['a sealed stream of an ended instance', { state: 'sealed', status: 'FAILED', latestAttempt: 1 }, 'end', 'end'],
  ['a sealed stream with a later attempt', { state: 'sealed', status: 'RUNNING', latestAttempt: 2 }, 'next', 'end'],
  ['an interrupted stream, which may be delivered late', { state: 'interrupted', status: 'WAITING', latestAttempt: 1 }, 'wait', 'wait'],
  ['an interrupted stream with a later attempt', { state: 'interrupted', status: 'RUNNING', latestAttempt: 2 }, 'next', 'wait'],
  ['an interrupted stream of an ended instance', { state: 'interrupted', status: 'FAILED', latestAttempt: 1 }, 'end', 'end'],
  ['an instance that was cancelled before its first attempt', { state: 'sealed', status: 'CANCELLED', latestAttempt: 0 }, 'end', 'end'],
] as const)('%s', (_, facts, expected, pinned) => {
  expect(followDecision(facts, 1, false)).toBe(expected)
  expect(followDecision(facts, 1, true)).toBe(pinned)
})
