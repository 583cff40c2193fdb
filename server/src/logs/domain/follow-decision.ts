import { type InstanceStatus, isClosedLog, isFinalInstance, type LogState } from '@jobtrail/protocol/domain/statuses'

/** What is known when a follower has seen every line that is stored. */
export type FollowFacts = { state: LogState; status: InstanceStatus; latestAttempt: number }

/**
 * What a follower of an attempt does then: `wait` for more, go on with the `next` attempt, or `end`. One that is `pinned` asked for this attempt and never
 * leaves it.
 */
export function followDecision({ state, status, latestAttempt }: FollowFacts, attempt: number, isPinned: boolean): 'wait' | 'next' | 'end' {
  if (state === 'open') return 'wait'
  if (isPinned) return isClosedLog(state) || isFinalInstance(status) ? 'end' : 'wait'
  if (latestAttempt > attempt) return 'next'
  return isFinalInstance(status) ? 'end' : 'wait'
}
