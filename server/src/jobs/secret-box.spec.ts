import { describe, expect, it } from 'vitest'
import { parseConfig } from '../config/config.js'
import { SecretBox } from './secret-box.service.js'

const key = (id: string): string => `${id}:${Buffer.alloc(32, id).toString('base64')}`
const boxOf = (...ids: string[]): SecretBox => new SecretBox(parseConfig({ JOBTRAIL_SECRET_KEYS: ids.map(key).join(',') }))

describe('secrets as they are stored', () => {
  it('stay as they are where their values do, and are sealed anew where those change', () => {
    const box = boxOf('one')
    const before = box.seal('job', { KEPT: 'a', SAME: 'b', CHANGED: 'c' })
    const after = box.seal('job', { KEPT: before['KEPT'] ?? '', SAME: 'b', CHANGED: 'd', ADDED: 'e' }, before)
    expect({ ...after, CHANGED: '', ADDED: '' }).toEqual({ ...before, CHANGED: '', ADDED: '' })
    expect(box.open('job', after)).toEqual({ KEPT: 'a', SAME: 'b', CHANGED: 'd', ADDED: 'e' })
  })

  it('of a former version stay plain until they are sealed anew', () => {
    const plain = { KEY: 'plain' }
    expect(boxOf().seal('job', plain, plain)).toEqual(plain)
    const sealed = boxOf('one').reseal('job', plain)
    expect(sealed?.['KEY']).toMatch(/^sealed:v1:one:/)
    expect(boxOf('one').open('job', sealed ?? {})).toEqual(plain)
  })

  it('are sealed anew with a new key, once', () => {
    const sealed = boxOf('one').seal('job', { KEY: 'value' })
    const anew = boxOf('two', 'one').reseal('job', sealed)
    expect(anew?.['KEY']).toMatch(/^sealed:v1:two:/)
    expect(boxOf('two').open('job', anew ?? {})).toEqual({ KEY: 'value' })
    expect(boxOf('two', 'one').reseal('job', anew ?? {})).toBeUndefined()
    expect(() => boxOf('two').reseal('job', sealed)).toThrow('"one"')
  })

  it('that are new are refused without a key, and name the variable', () => {
    expect(() => boxOf().seal('job', { KEY: 'value' })).toThrow(/secrets\.KEY.*JOBTRAIL_SECRET_KEYS/)
  })

  it('can be replaced where they cannot be opened any more', () => {
    const lost = boxOf('lost').seal('job', { KEY: 'value' })
    expect(boxOf('one').open('job', boxOf('one').seal('job', { KEY: 'new' }, lost))).toEqual({ KEY: 'new' })
  })
})
