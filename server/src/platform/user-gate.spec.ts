import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type GateOptions, UserGate } from './user-gate.js'

const OPTIONS: GateOptions = { what: 'searches', running: 2, runningPerUser: 1, waiting: 3, waitingPerUser: 2, waitMs: 10_000 }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Work that ends when told, and notes that it began. */
function workIn(gate: UserGate): { begun: string[]; start: (user: string, name: string, gone?: AbortSignal) => { end: () => void; done: Promise<void> } } {
  const begun: string[] = []
  return {
    begun,
    start: (user, name, gone) => {
      let end = (): void => undefined
      const ended = new Promise<void>((resolve) => (end = resolve))
      const work = (): Promise<void> => {
        begun.push(name)
        return ended
      }
      const done = gate.run(user, work, gone)
      done.catch(() => undefined)
      return { end, done }
    },
  }
}

test('a user has so much under way, and others pass them', async () => {
  const { begun, start } = workIn(new UserGate(OPTIONS))
  const first = start('a', 'a1')
  const second = start('a', 'a2')
  const other = start('b', 'b1')
  await nextTurn()
  expect(begun).toEqual(['a1', 'b1'])
  first.end()
  await first.done
  await nextTurn()
  expect(begun).toEqual(['a1', 'b1', 'a2'])
  second.end()
  other.end()
  await Promise.all([second.done, other.done])
})

test('who has the least under way goes first', async () => {
  const { begun, start } = workIn(new UserGate({ ...OPTIONS, runningPerUser: 2 }))
  const first = start('a', 'a1')
  start('a', 'a2')
  start('a', 'a3')
  start('b', 'b1')
  first.end()
  await first.done
  await nextTurn()
  expect(begun).toEqual(['a1', 'a2', 'b1'])
})

test('too much of one user is refused as theirs, too much in all as the server being busy', async () => {
  const { start } = workIn(new UserGate(OPTIONS))
  for (const name of ['a1', 'a2', 'a3']) start('a', name)
  await expect(start('a', 'a4').done).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS', details: { retryAfterMs: 1_000 } })
  for (const name of ['b1', 'b2']) start('b', name)
  await expect(start('c', 'c1').done).rejects.toMatchObject({ code: 'UNAVAILABLE', details: { retryAfterMs: 1_000 } })
})

test('who waited too long or has left gives their place up', async () => {
  const { begun, start } = workIn(new UserGate(OPTIONS))
  const first = start('a', 'a1')
  const late = start('a', 'a2')
  vi.advanceTimersByTime(10_000)
  await expect(late.done).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  const gone = new AbortController()
  const left = start('a', 'a3', gone.signal)
  gone.abort()
  await expect(left.done).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  first.end()
  await first.done
  const last = start('a', 'a4')
  last.end()
  await last.done
  expect(begun).toEqual(['a1', 'a4'])
})

test('work that fails gives its place up too', async () => {
  const gate = new UserGate({ ...OPTIONS, waiting: 0, waitingPerUser: 0 })
  await expect(gate.run('a', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  await expect(gate.run('a', () => Promise.resolve('done'))).resolves.toBe('done')
})
