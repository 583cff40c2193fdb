import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { hashPassword, isPassword, PasswordTurns, unmatchableHash } from './passwords.js'

const CHEAP = { N: 16, r: 1, p: 1 }

describe('password hashes', () => {
  it('fit their password only', async () => {
    const hash = await hashPassword('correct horse', CHEAP)
    expect(hash).toMatch(/^scrypt\$16\$1\$1\$/)
    expect(hash).not.toContain('horse')
    expect(await isPassword('correct horse', hash)).toBe(true)
    expect(await isPassword('correct horsf', hash)).toBe(false)
    expect(await isPassword('', hash)).toBe(false)
  })

  it('differ for the same password', async () => {
    expect(await hashPassword('correct horse', CHEAP)).not.toBe(await hashPassword('correct horse', CHEAP))
  })

  it('fit however the password was typed in Unicode', async () => {
    expect(await isPassword('zoe\u0308-password', await hashPassword('zo\u00eb-password', CHEAP))).toBe(true)
  })

  it('of nobody cost what real ones cost', async () => {
    const real = (await hashPassword('x')).split('$').slice(0, 4)
    expect(unmatchableHash().split('$').slice(0, 4)).toEqual(real)
    expect(await isPassword('', unmatchableHash())).toBe(false)
  })

  it('that are none are an error, not a wrong password', async () => {
    await expect(isPassword('x', 'plain')).rejects.toThrow('not one')
  })
})

describe('turns', () => {
  it('let few run, the others wait, and turn away those beyond the bound', async () => {
    const turns = new PasswordTurns(2, 1)
    const release: (() => void)[] = []
    let started = 0
    const work = (): Promise<void> => {
      started++
      return new Promise((resolve) => release.push(resolve))
    }
    const first = [turns.take('one', work), turns.take('one', work), turns.take('one', work)]
    await turn()
    expect(started).toBe(2)
    await expect(turns.take('one', work)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    release[0]?.()
    await first[0]
    await turn()
    expect(started).toBe(3)
    for (const each of release) each()
    await Promise.all(first)
    await expect(turns.take('one', async () => 'again')).resolves.toBe('again')
  })

  it('are given back by work that fails', async () => {
    const turns = new PasswordTurns(1, 1)
    await expect(turns.take('one', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
    await expect(turns.take('one', async () => 1)).resolves.toBe(1)
  })
})

it('turns are not all taken by one address', async () => {
  const turns = new PasswordTurns(1, 100, 2)
  let end: () => void = () => undefined
  const held = turns.take('flood', () => new Promise<void>((resolve) => (end = resolve)))
  const second = turns.take('flood', () => Promise.resolve('second'))
  await expect(turns.take('flood', () => Promise.resolve())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  const other = turns.take('other', () => Promise.resolve('other'))
  end()
  await held
  expect([await second, await other]).toEqual(['second', 'other'])
  expect(await turns.take('flood', () => Promise.resolve('again'))).toBe('again')
})
