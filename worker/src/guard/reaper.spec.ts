import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { silentLog } from '../testing/samples.js'
import type { AttemptGroup, Found } from './kill-pass.js'
import { Reaper } from './reaper.js'

const attempt = (key: string): AttemptGroup => ({ key, group: undefined, start: undefined, cgroup: undefined })
const processNamed = (name: string) => ({ pid: 2 ** 22 + 1, name, group: 1, start: '1', isZombie: false, endSignal: undefined })

describe('reaper', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** Each look finds what `alive` says at that moment. */
  function setUp() {
    const alive = new Map<string, string>()
    const looks: string[][] = []
    const state = { error: undefined as Error | undefined }
    const look = (attempts: readonly AttemptGroup[]): Promise<Found> => {
      looks.push(attempts.map(({ key }) => key))
      if (state.error !== undefined) return Promise.reject(state.error)
      return Promise.resolve(new Map([...alive].map(([key, name]) => [key, [processNamed(name)]])))
    }
    return { alive, looks, state, reaper: new Reaper(silentLog, look, () => Date.now()) }
  }

  it('is done with an attempt when a look finds nothing, and says what it found first', async () => {
    const { alive, reaper } = setUp()
    alive.set('a', 'sleep')
    const ending = reaper.end(attempt('a'), 1_000)
    await vi.advanceTimersByTimeAsync(5)
    alive.clear()
    await vi.advanceTimersByTimeAsync(20)
    expect(await ending).toMatchObject({ ended: 'sleep (4194305)', left: null })
    expect(await reaper.end(attempt('b'), 1_000)).toMatchObject({ ended: null, left: null })
  })

  it('shares looks between attempts, and one that cannot be ended holds up no other', async () => {
    const { alive, looks, reaper } = setUp()
    alive.set('stuck', 'dd')
    void reaper.end(attempt('stuck'), 60_000)
    await vi.advanceTimersByTimeAsync(10_000)
    looks.length = 0
    const others = Promise.all(['a', 'b', 'c'].map((key) => reaper.end(attempt(key), 60_000)))
    await vi.advanceTimersByTimeAsync(0)
    expect((await others).map(({ left }) => left)).toEqual([null, null, null])
    expect(looks.length).toBeLessThanOrEqual(2)
  })

  it('says after the bound what is left, and goes on until it is gone', async () => {
    const { alive, reaper } = setUp()
    alive.set('a', 'dd')
    const ending = reaper.end(attempt('a'), 1_000)
    await vi.advanceTimersByTimeAsync(3_000)
    const { left, gone } = await ending
    expect(left).toBe('dd (4194305)')
    const isGone = vi.fn<() => void>()
    void gone.then(isGone)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(isGone).not.toHaveBeenCalled()
    alive.clear()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(isGone).toHaveBeenCalled()
  })

  it('also looks for what may have left a control group that is empty', async () => {
    const { alive, reaper } = setUp()
    alive.set('a', 'sleep')
    const ending = reaper.end({ ...attempt('a'), cgroup: '/no/such', isContained: true }, 1_000)
    await vi.advanceTimersByTimeAsync(5)
    alive.clear()
    await vi.advanceTimersByTimeAsync(20)
    expect(await ending).toMatchObject({ ended: 'sleep (4194305)', left: null })
  })

  it('takes a look that fails for no proof that nothing runs', async () => {
    const { state, reaper } = setUp()
    state.error = new Error('EMFILE')
    const ending = reaper.end(attempt('a'), 60_000)
    const isEnded = vi.fn<() => void>()
    void ending.then(isEnded)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(isEnded).not.toHaveBeenCalled()
    state.error = undefined
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await ending).toMatchObject({ left: null })
  })
})
