import { describe, expect, it } from 'vitest'
import { ChangeJob, CreateJob } from '@jobtrail/api/jobs'
import { ValidationError } from '@jobtrail/protocol/domain/errors'
import { applyChange, changedMembers } from './change.js'
import { definitionOf } from './job.js'

const before = definitionOf(
  CreateJob.parse({
    name: 'nightly',
    trigger: { kind: 'cron', expression: '0 3 * * *', timeZone: 'Europe/Berlin' },
    processor: { kind: 'shell', script: 'echo hello', env: { A: '1', B: '2' } },
    params: { a: 1, b: { c: 2 } },
    secrets: { TOKEN: 'old-token', PASSWORD: 'old-password' },
  }),
)
const change = (members: object): ReturnType<typeof applyChange> => {
  const { revision: _, ...given } = ChangeJob.parse({ revision: 1, ...members })
  return applyChange(before, given)
}

describe('a change', () => {
  it('leaves what it does not name', () => {
    expect(change({ priority: 5 })).toEqual({ ...before, priority: 5 })
  })

  it('replaces a given member whole', () => {
    expect(change({ params: { x: 1 } }).params).toEqual({ x: 1 })
    expect(change({ processor: { kind: 'shell', script: 'echo hello' } }).processor).toEqual({ kind: 'shell', script: 'echo hello' })
  })

  it('merges secrets: a value sets, null removes, "***" and silence keep', () => {
    expect(change({ secrets: { TOKEN: 'new-token' } }).secrets).toEqual({ TOKEN: 'new-token', PASSWORD: 'old-password' })
    expect(change({ secrets: { TOKEN: null, ADDED: 'value' } }).secrets).toEqual({ PASSWORD: 'old-password', ADDED: 'value' })
    expect(change({ secrets: { TOKEN: '***', PASSWORD: 'new-password' } }).secrets).toEqual({ TOKEN: 'old-token', PASSWORD: 'new-password' })
    expect(change({ secrets: {} }).secrets).toEqual(before.secrets)
  })

  it('cannot keep a secret that is not there, and says which', () => {
    expect(() => change({ secrets: { UNKNOWN: '***' } })).toThrow(ValidationError)
    expect(() => change({ secrets: { UNKNOWN: '***' } })).toThrow('secrets.UNKNOWN')
  })

  it('takes "__proto__" and the like for names, not for more', () => {
    const after = applyChange(before, { secrets: JSON.parse('{"__proto__": "polluted"}') as Record<string, string> })
    expect(Object.getPrototypeOf(after.secrets)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('changed members', () => {
  it('are named, without their values', () => {
    expect(changedMembers(before, change({ enabled: false, secrets: { TOKEN: 'new-token' } }))).toEqual(['enabled', 'secrets'])
  })

  it('are none where nothing differs, whatever the order of keys and whether absent or undefined', () => {
    expect(changedMembers(before, change({ params: { b: { c: 2 }, a: 1 }, secrets: { TOKEN: '***' } }))).toEqual([])
    expect(changedMembers(before, { ...before, processor: { ...before.processor, cwd: undefined } as typeof before.processor })).toEqual([])
  })
})
