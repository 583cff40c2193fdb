import { expect, it } from 'vitest'
import { type AwaitedEnd, INSTANCE_STATUSES, type InstanceStatus } from '@jobtrail/shared/domain/statuses'
import type { EndedRun } from '../../engine/ports/outcome-consumers.js'
import { type Follower, followingRuns, upstreamOf } from './after.js'

const ended = (status: InstanceStatus, more: Partial<EndedRun> = {}): EndedRun => ({
  _id: 'run',
  namespace: 'default',
  jobId: 'upstream',
  jobName: 'load',
  revision: 1,
  status,
  attempt: 1,
  finishedAt: new Date(0),
  ...more,
})
const follower = (id: string, on: AwaitedEnd, more: Partial<Follower> = {}): Follower => ({
  _id: id,
  namespace: 'default',
  name: id,
  revision: 7,
  priority: 0,
  routing: { group: 'default', tags: [] },
  maxConcurrent: 0,
  processor: { kind: 'shell' },
  params: { a: 1 },
  trigger: { kind: 'after', job: 'upstream', on },
  ...more,
})
const namesAfter = (on: AwaitedEnd): InstanceStatus[] => INSTANCE_STATUSES.filter((status) => followingRuns([ended(status)], [follower('f', on)], 0).length > 0)

it('a job runs after the ends that it waits for', () => {
  expect(namesAfter('success')).toEqual(['SUCCEEDED'])
  expect(namesAfter('failure')).toEqual(['FAILED', 'TIMED_OUT'])
  expect(namesAfter('any')).toEqual(['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'])
})

it('each follower gets one run for each ended one, which says what it follows and has a key of its own', () => {
  const runs = followingRuns([ended('SUCCEEDED'), ended('FAILED', { _id: 'other' })], [follower('f', 'any'), follower('g', 'success')], 5)
  expect(runs.map(({ job, idempotencyKey }) => [job.id, idempotencyKey])).toEqual([
    ['f', 'after:run'],
    ['g', 'after:run'],
    ['f', 'after:other'],
  ])
  expect(runs[0]).toMatchObject({
    job: { revision: 7 },
    params: { a: 1 },
    cause: { kind: 'after', by: null, after: { jobId: 'upstream', jobName: 'load', instanceId: 'run' } },
    scheduledFor: null,
    dueAt: 5,
  })
})

it('a job of another namespace, or after another job, does not follow', () => {
  const others = [follower('f', 'any', { namespace: 'other' }), follower('g', 'any', { trigger: { kind: 'after', job: 'another', on: 'any' } })]
  expect(followingRuns([ended('SUCCEEDED')], others, 0)).toEqual([])
})

it('only a job with this trigger has an upstream', () => {
  expect(upstreamOf({ trigger: { kind: 'manual' } })).toBeUndefined()
  expect(upstreamOf(follower('f', 'any'))).toBe('upstream')
})
