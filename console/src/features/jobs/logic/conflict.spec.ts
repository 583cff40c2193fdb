import { describe, expect, it } from 'vitest'
import { differences, merge } from './conflict'
import { newDraft } from './job-draft'

const base = { ...newDraft('UTC'), name: 'job' }
const mine = { ...base, description: 'mine', timeoutMs: 1, priority: 5 }
const theirs = { ...base, description: 'theirs', maxConcurrent: 2, priority: 5 }

describe('a conflict with the change of someone else', () => {
  it('tells who changed what, and leaves out what both changed alike', () => {
    expect(differences(base, mine, theirs)).toEqual([
      { member: 'description', by: 'both' },
      { member: 'timeoutMs', by: 'mine' },
      { member: 'maxConcurrent', by: 'theirs' },
    ])
  })

  it('is merged by what each changed, mine first', () => {
    expect(merge(base, mine, theirs, {})).toEqual({ ...base, description: 'mine', timeoutMs: 1, maxConcurrent: 2, priority: 5 })
  })

  it('is merged by choice', () => {
    expect(merge(base, mine, theirs, { description: 'theirs', timeoutMs: 'theirs', maxConcurrent: 'mine' })).toEqual({
      ...base,
      description: 'theirs',
      priority: 5,
    })
  })
})
