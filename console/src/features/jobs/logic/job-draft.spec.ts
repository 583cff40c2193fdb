import { describe, expect, it } from 'vitest'
import { ChangeJob, CreateJob, JobDefinition } from '@jobtrail/api/jobs'
import { changedMembers, changeOf, checkable, cloneName, createOf, isSame, newDraft, restoreOf } from './job-draft'

const draft = { ...newDraft('Europe/Berlin'), name: 'nightly' }

describe('a draft', () => {
  it('starts as something that only needs a name', () => {
    expect(CreateJob.safeParse(createOf(draft, 'default')).success).toBe(true)
    expect(JobDefinition.parse(draft)).toEqual(draft)
  })

  it('that was not changed changes nothing', () => {
    expect(changeOf(draft, structuredClone(draft), 3)).toEqual({ revision: 3 })
    expect(changedMembers(draft, structuredClone(draft))).toEqual([])
  })

  it('sends only what differs', () => {
    expect(changeOf(draft, { ...draft, timeoutMs: 5_000 }, 3)).toEqual({ revision: 3, timeoutMs: 5_000 })
  })

  it('removes, keeps and sets secrets, and the server takes it', () => {
    const before = { ...draft, secrets: { A: '***', B: '***' } }
    const change = changeOf(before, { ...before, secrets: { B: '***', C: 'secret' } }, 3)
    expect(change.secrets).toEqual({ A: null, B: '***', C: 'secret' })
    expect(ChangeJob.safeParse(change).success).toBe(true)
  })

  it('is checked without the values of kept secrets', () => {
    expect(JobDefinition.safeParse(checkable({ ...draft, secrets: { A: '***' } })).success).toBe(true)
    expect(JobDefinition.safeParse(checkable({ ...draft, secrets: { A: 'x' } })).success).toBe(false)
  })
})

describe('going back to a revision', () => {
  it('keeps the secrets that are still there and names those that are lost', () => {
    const old = { ...draft, description: 'old', secrets: { A: '***', B: '***' } }
    const { change, lostSecrets } = restoreOf({ ...draft, secrets: { A: '***', C: '***' } }, old, 7)
    expect(change).toEqual({ revision: 7, description: 'old', secrets: { A: '***', C: null } })
    expect(lostSecrets).toEqual(['B'])
  })
})

describe('the name of a copy', () => {
  it('counts on, and stays a name', () => {
    expect(cloneName('nightly')).toBe('nightly-copy')
    expect(cloneName('nightly-copy')).toBe('nightly-copy-2')
    expect(cloneName('nightly-copy-9')).toBe('nightly-copy-10')
    expect(cloneName('x'.repeat(63))).toHaveLength(63)
  })
})

describe('sameness', () => {
  it('does not look at the order of members or at absent ones', () => {
    expect(isSame({ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1, d: undefined })).toBe(true)
    expect(isSame({ a: [1, 2] }, { a: [2, 1] })).toBe(false)
    expect(isSame([], {})).toBe(false)
    expect(isSame({ a: undefined, b: 1 }, { a: 1, b: undefined })).toBe(false)
  })
})
