import { expect, it } from 'vitest'
import { newDraft, type JobDraft } from './job-draft'
import { upstreamFirst, withNewUpstream } from './job-order'

const after = (job: string): JobDraft['trigger'] => ({ kind: 'after', job })
const manual: JobDraft['trigger'] = { kind: 'manual' }
const order = (jobs: { id: string; trigger: JobDraft['trigger'] }[]): string[] => upstreamFirst(jobs, (job) => job).map(({ id }) => id)

it('a job comes behind the one that it runs after, and others stay where they are', () => {
  const jobs = [
    { id: 'c', trigger: after('b') },
    { id: 'b', trigger: after('a') },
    { id: 'elsewhere', trigger: after('not among them') },
    { id: 'a', trigger: manual },
  ]
  expect(order(jobs)).toEqual(['elsewhere', 'a', 'b', 'c'])
})

it('a circle in a file ends', () => {
  expect(
    order([
      { id: 'a', trigger: after('b') },
      { id: 'b', trigger: after('a') },
    ]),
  ).toHaveLength(2)
})

it('a job that is imported runs after the job that was made from the same file', () => {
  const draft: JobDraft = { ...newDraft('UTC'), trigger: { kind: 'after', job: 'old', on: 'any' } }
  expect(withNewUpstream(draft, new Map([['old', 'new']])).trigger).toEqual({ kind: 'after', job: 'new', on: 'any' })
  expect(withNewUpstream(draft, new Map())).toBe(draft)
})
