import { KEPT_REVISIONS } from '@jobtrail/api/auth'
import { expect, test } from 'vitest'
import { oldRevisions } from './revisions.js'

const keysOf = (job: string, ...revisions: number[]) => revisions.map((revision) => ({ job, revision }))
const headOf = (job: string, revision: number, namespace = 'ns') => [job, { namespace, revision }] as const

test('the newest revisions of a job stay, and all where history is kept for ever', () => {
  const keys = [...keysOf('a', 1, 2, 4, 5), ...keysOf('b', 1, 2, 3)]
  const heads = new Map([headOf('a', KEPT_REVISIONS + 4), headOf('b', KEPT_REVISIONS + 9, 'other')])
  const { old, ofRemovedJobs } = oldRevisions(keys, heads, new Map([['ns', 30]]))
  // Each with the next one that is stored, which says when it was replaced.
  expect(old.map(({ key, next }) => [key.revision, next.revision])).toEqual([
    [1, 2],
    [2, 4],
    [4, 5],
  ])
  expect(ofRemovedJobs.size).toBe(0)
  expect(oldRevisions(keys, heads, new Map([['ns', null]])).old).toEqual([])
})

test('a revision whose successor is not known is left for later', () => {
  const heads = new Map([headOf('a', 900), headOf('b', 900)])
  expect(oldRevisions([...keysOf('a', 1), ...keysOf('b', 1)], heads, new Map([['ns', 30]])).old).toEqual([])
})

test('revisions of jobs that are not there any more are told by job', () => {
  const { ofRemovedJobs, old } = oldRevisions([...keysOf('a', 1, 2), ...keysOf('b', 1), ...keysOf('c', 1)], new Map([headOf('b', 1)]), new Map())
  expect([...ofRemovedJobs]).toEqual([
    ['a', keysOf('a', 1, 2)],
    ['c', keysOf('c', 1)],
  ])
  expect(old).toEqual([])
})
