import { describe, expect, it } from 'vitest'
import { needsLinux } from '../testing/needs.js'
import { areIdsHigherSince, pidMoment } from './processes.js'

describe('IDs of processes', () => {
  it('are higher than the newest of then, until they may have begun anew', () => {
    const then = { newest: 1_000, forks: 5_000 }
    expect(areIdsHigherSince(then, { newest: 1_000, forks: 5_000 })).toBe(true)
    expect(areIdsHigherSince(then, { newest: 1_200, forks: 5_200 })).toBe(true)
    expect(areIdsHigherSince(then, { newest: 999, forks: 5_200 })).toBe(false)
    // Once around.
    expect(areIdsHigherSince(then, { newest: 1_200, forks: 5_000 + 2 ** 22 })).toBe(false)
  })

  it('are told with the number of forks', (context) => {
    needsLinux(context)
    expect(pidMoment()).toMatchObject({ newest: expect.any(Number), forks: expect.any(Number) })
  })
})
