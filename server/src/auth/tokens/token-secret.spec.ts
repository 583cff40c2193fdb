import { describe, expect, it } from 'vitest'
import { v7 as uuidv7 } from 'uuid'
import { isSecret, makeToken, parseToken } from './token-secret.js'

describe('tokens', () => {
  it('carry their ID and a secret whose hash fits', () => {
    const id = uuidv7()
    const { text, hash } = makeToken('jt_', id)
    const parts = parseToken('jt_', text)
    expect(parts?.id).toBe(id)
    expect(parts !== undefined && isSecret(parts.secret, hash)).toBe(true)
    expect(parts !== undefined && isSecret(parts.secret, makeToken('jt_', id).hash)).toBe(false)
  })

  it('of one kind are not of the other', () => {
    expect(parseToken('jt_', makeToken('jtw_', uuidv7()).text)).toBeUndefined()
    expect(parseToken('jtw_', makeToken('jt_', uuidv7()).text)).toBeUndefined()
  })

  it.each(['', 'jt_', 'jt_short', `jt_${'-'.repeat(64)}`, `jt_${'A'.repeat(65)}`, `jt_${'ä'.repeat(64)}`])(
    'are refused when no server made them: %j',
    (text) => {
      expect(parseToken('jt_', text)).toBeUndefined()
    },
  )
})
