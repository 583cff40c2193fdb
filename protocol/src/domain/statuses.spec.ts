import { describe, expect, test } from 'vitest'
import {
  ATTEMPT_STATUSES,
  ATTEMPT_TRANSITIONS,
  canRetryInstance,
  INSTANCE_STATUSES,
  INSTANCE_TRANSITIONS,
  instanceStatusAfter,
  isFinalAttempt,
  isFinalInstance,
  isLeasedAttempt,
  isRetriedByPolicy,
} from './statuses.js'

describe('states', () => {
  test('a final attempt never changes, and every other can end in every way', () => {
    for (const status of ATTEMPT_STATUSES) {
      expect(isFinalAttempt(status)).toBe(!isLeasedAttempt(status))
      if (isFinalAttempt(status)) expect(ATTEMPT_TRANSITIONS[status]).toEqual([])
      else for (const end of ATTEMPT_STATUSES.filter(isFinalAttempt)) expect(ATTEMPT_TRANSITIONS[status]).toContain(end)
    }
  })

  test('what an instance becomes after an attempt is a move that it may make from RUNNING', () => {
    for (const status of ATTEMPT_STATUSES) {
      const next = instanceStatusAfter(status)
      if (isFinalAttempt(status)) {
        expect(INSTANCE_TRANSITIONS.RUNNING).toContain(next)
        expect(isFinalInstance(next)).toBe(true)
      } else expect(next).toBe('RUNNING')
    }
  })

  test('success is for ever; whatever else ended can be retried by a user', () => {
    expect(INSTANCE_STATUSES.filter(canRetryInstance)).toEqual(['FAILED', 'CANCELLED', 'TIMED_OUT'])
  })

  test('the policy never retries what succeeded or what a user ended', () => {
    expect(ATTEMPT_STATUSES.filter(isRetriedByPolicy)).toEqual(['FAILED', 'TIMED_OUT', 'LOST'])
  })
})
