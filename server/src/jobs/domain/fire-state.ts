import type { JobDefinition } from '@jobtrail/api/jobs'
import { ValidationError } from '@jobtrail/protocol/domain/errors'
import { nextFireAfter } from '@jobtrail/api/next-fire'
import { changedMembers } from './change.js'
import type { JobDocument } from './job.js'

export type FireState = Pick<JobDocument, 'nextFireAt' | 'fireAnchor'>

/** When a new job fires first. Throws ValidationError for a time that has passed. */
export function firstFireState(definition: JobDefinition, now: number): FireState {
  requireFuture(definition, now)
  return fireState(definition, now, new Date(now))
}

/**
 * When a job fires next after a change. Only a new trigger, and enabling, count from now; other changes leave the fire time as it is, also one that is late.
 * Disabling drops the times that were not stored yet.
 */
export function fireStateAfter(before: JobDefinition & FireState, after: JobDefinition, now: number): FireState {
  const isNewTrigger = changedMembers(before, after).includes('trigger')
  if (isNewTrigger) requireFuture(after, now)
  const anchor = isNewTrigger ? new Date(now) : before.fireAnchor
  if (isNewTrigger || before.enabled !== after.enabled) return fireState(after, now, anchor)
  return { nextFireAt: before.nextFireAt, fireAnchor: anchor }
}

function fireState({ enabled, trigger }: JobDefinition, now: number, fireAnchor: Date): FireState {
  const next = enabled ? nextFireAfter(trigger, now, fireAnchor.getTime()) : undefined
  return { nextFireAt: next === undefined ? null : new Date(next), fireAnchor }
}

function requireFuture({ trigger }: JobDefinition, now: number): void {
  if (trigger.kind === 'once' && Date.parse(trigger.at) <= now)
    throw new ValidationError('trigger.at', `must be in the future; it is ${new Date(now).toISOString()} now`)
}
