import { describe, expect, test } from 'vitest'
import {
  ATTEMPT_MOVES,
  ATTEMPT_STATUSES,
  canRetryInstance,
  INSTANCE_STATUSES,
  instanceStatusAfter,
  isFinalAttempt,
  isFinalInstance,
  isLeasedAttempt,
  isRetriedByPolicy,
  TASK_MOVES,
} from './statuses.js'

describe('states', () => {
  test('a final attempt never changes, and every other can end in every way', () => {
    for (const status of ATTEMPT_STATUSES) {
      expect(isFinalAttempt(status)).toBe(!isLeasedAttempt(status))
      const next = new Set(Object.values(ATTEMPT_MOVES).flatMap(({ from, to }) => (from.includes(status) ? to : [])))
      expect([...next].filter(isFinalAttempt)).toEqual(isFinalAttempt(status) ? [] : ATTEMPT_STATUSES.filter(isFinalAttempt))
    }
  })

  test('what a task becomes after an attempt is what settling it may lead to', () => {
    for (const status of ATTEMPT_STATUSES) {
      const next = instanceStatusAfter(status)
      if (isFinalAttempt(status)) {
        expect(TASK_MOVES.settle.to).toContain(next)
        expect(isFinalInstance(next)).toBe(true)
      } else expect(next).toBe('RUNNING')
    }
  })

  test('only a user brings a task back that has ended', () => {
    for (const [name, { from }] of Object.entries(TASK_MOVES)) expect(from.some(isFinalInstance)).toBe(name === 'retry')
  })

  test('success is for ever; whatever else ended can be retried by a user', () => {
    expect(INSTANCE_STATUSES.filter(canRetryInstance)).toEqual(['FAILED', 'CANCELLED', 'TIMED_OUT'])
  })

  test('the policy never retries what succeeded or what a user ended', () => {
    expect(ATTEMPT_STATUSES.filter(isRetriedByPolicy)).toEqual(['FAILED', 'TIMED_OUT', 'LOST'])
  })
})
