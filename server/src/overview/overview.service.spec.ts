import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Overview } from '@jobtrail/api/overview'
import { Principal } from '../rights/principal.js'
import type { NamespaceFilter } from '../engine/domain/run-counts.js'
import type { Clock } from '../platform/clock.js'
import type { OverviewReads } from './overview-reads.service.js'
import { OverviewService } from './overview.service.js'

const NOW = Date.parse('2026-01-02T00:00:00Z')

const userNamed = (id: string): Principal => new Principal('user', id, id, { '*': 'viewer' }, null, null)

/** Overviews of which each count ends when told; `begun`: the namespaces that were counted. */
function setUp(): { ask: (user: string, namespace: string) => Promise<Overview>; begun: unknown[]; endNext: (error?: Error) => Promise<void> } {
  const begun: unknown[] = []
  const ends: ((error?: Error) => void)[] = []
  const repository = {
    count: () => Promise.resolve(0),
    runs: (namespaces: NamespaceFilter) => {
      begun.push(namespaces.namespace)
      return new Promise((resolve, reject) => {
        ends.push((error) => (error === undefined ? resolve({ buckets: [], slowest: [], failing: [], seen: 0, oldest: undefined }) : reject(error)))
      })
    },
    logVolume: () => Promise.resolve({ buckets: [], seen: 0, oldest: undefined }),
    nextFires: () => Promise.resolve([]),
    logTrouble: () => Promise.resolve({}),
  }
  const service = new OverviewService(repository as unknown as OverviewReads, { now: () => NOW } as Clock)
  return {
    begun,
    ask: (user, namespace) => {
      const overview = service.get(userNamed(user), { namespace })
      overview.catch(() => undefined)
      return overview
    },
    endNext: async (error) => {
      ends.shift()?.(error)
      await nextTurn()
    },
  }
}

test("a question does not wait behind another user's other ones", async () => {
  const { ask, begun, endNext } = setUp()
  const [, second, third] = ['a', 'b', 'c'].map((namespace) => ask('greedy', namespace))
  const other = ask('other', 'c')
  await nextTurn()
  expect(begun).toEqual(['a', 'c'])
  await endNext()
  await endNext()
  // Of the same question the greedy user has the answer too, in front of what they wait for.
  expect(await other).toBe(await third)
  expect(begun).toEqual(['a', 'c', 'b'])
  await endNext()
  await second
})

test('a question that many ask at once is counted once, however few places there are', async () => {
  const { ask, begun, endNext } = setUp()
  const overviews = Array.from({ length: 200 }, (_, i) => ask(`user ${i % 50}`, 'a'))
  await nextTurn()
  overviews.push(ask('late', 'a'))
  await endNext()
  expect(new Set(await Promise.all(overviews)).size).toBe(1)
  expect(begun).toEqual(['a'])
})

test('a count that failed is not kept', async () => {
  const { ask, begun, endNext } = setUp()
  const failed = [ask('one', 'a'), ask('two', 'a')]
  await nextTurn()
  await endNext(new Error('MongoDB is away'))
  for (const each of failed) await expect(each).rejects.toThrow('MongoDB is away')
  const next = ask('one', 'a')
  await nextTurn()
  await endNext()
  await next
  expect(begun).toEqual(['a', 'a'])
})
