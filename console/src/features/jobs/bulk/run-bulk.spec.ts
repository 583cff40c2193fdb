import { describe, expect, it } from 'vitest'
import { type BulkState, runBulk } from './run-bulk'

const items = Array.from({ length: 20 }, (_, i) => ({ id: String(i), name: `item ${i}` }))
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

describe('an action on many things', () => {
  it('is done to each once, a few at a time', async () => {
    let running = 0
    let most = 0
    const seen: string[] = []
    const end = await runBulk(
      items,
      async ({ id }) => {
        running += 1
        most = Math.max(most, running)
        seen.push(id)
        await Promise.resolve()
        running -= 1
      },
      { messageOf },
    )
    expect(seen.toSorted()).toEqual(items.map(({ id }) => id).toSorted())
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(6)
    expect(end).toEqual({ total: 20, done: 20, failures: [], isRunning: false, notStarted: 0 })
  })

  it('goes on after a failure and names it', async () => {
    const states: BulkState[] = []
    const action = ({ id }: { id: string }): Promise<void> => (id === '3' ? Promise.reject(new Error('no')) : Promise.resolve())
    const end = await runBulk(items, action, { messageOf, onProgress: (state) => states.push(state) })
    expect(end.failures).toEqual([{ item: { id: '3', name: 'item 3' }, message: 'no' }])
    expect(end.done).toBe(20)
    expect(states.map(({ done }) => done)).toEqual([...Array.from({ length: 20 }, (_, i) => i + 1), 20])
  })

  it('starts nothing more once it is stopped', async () => {
    const stop = new AbortController()
    let started = 0
    const end = await runBulk(
      items,
      async () => {
        started += 1
        if (started === 4) stop.abort()
        await Promise.resolve()
      },
      { messageOf, signal: stop.signal },
    )
    expect(started).toBeLessThan(20)
    expect(end.notStarted).toBe(20 - started)
  })
})
