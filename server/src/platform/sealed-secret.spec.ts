import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { keyIdOf, openSecret, sealSecret } from './sealed-secret.js'

const one = { id: 'one', key: randomBytes(32) }
const two = { id: 'two', key: randomBytes(32) }

describe('a sealed secret', () => {
  it('is opened with its key, whichever place that has, and shows nothing of its value', () => {
    for (const value of ['', 'x', 'schlüssel 🔑\n'.repeat(1_000)]) {
      const sealed = sealSecret(one, 'job', 'NAME', value)
      expect(keyIdOf(sealed)).toBe('one')
      expect(openSecret([two, one], 'job', 'NAME', sealed)).toBe(value)
      if (value.length >= 4) expect(sealed).not.toContain(value)
    }
  })

  it('differs each time, so that equal values cannot be told', () => {
    expect(sealSecret(one, 'job', 'NAME', 'value')).not.toBe(sealSecret(one, 'job', 'NAME', 'value'))
  })

  it('cannot be moved to another job or name, or changed', () => {
    const sealed = sealSecret(one, 'job', 'NAME', 'value')
    expect(() => openSecret([one], 'other', 'NAME', sealed)).toThrow('cannot be opened')
    expect(() => openSecret([one], 'job', 'OTHER', sealed)).toThrow('cannot be opened')
    expect(() => openSecret([one], 'job', 'NAME', `${sealed.slice(0, -8)}AAAAAAA=`)).toThrow('cannot be opened')
    expect(() => openSecret([one], 'job', 'NAME', 'sealed:v1:one:AAAA')).toThrow('cannot be opened')
  })

  it('says which key is missing or wrong, and where to set it', () => {
    const sealed = sealSecret(one, 'job', 'NAME', 'value')
    expect(() => openSecret([two], 'job', 'NAME', sealed)).toThrow(/"one".*JOBTRAIL_SECRET_KEYS.*add it/)
    expect(() => openSecret([{ id: 'one', key: randomBytes(32) }], 'job', 'NAME', sealed)).toThrow(/"one".*JOBTRAIL_SECRET_KEYS/)
  })
})

it('a plain value of a former version is its own', () => {
  expect(keyIdOf('plain')).toBeUndefined()
  expect(openSecret([], 'job', 'NAME', 'plain')).toBe('plain')
})
