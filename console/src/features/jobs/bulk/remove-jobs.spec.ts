import { expect, it } from 'vitest'
import type { JobView } from '@jobtrail/shared/api/jobs'
import { removalOf } from './remove-jobs'
import { runBulk } from './run-bulk'

it('jobs that are removed together go behind those that run after them, though several are under way', async () => {
  const job = (id: string, upstream?: string) => ({
    id,
    name: id,
    trigger: (upstream === undefined ? { kind: 'manual' } : { kind: 'after', job: upstream, on: 'any' }) as JobView['trigger'],
  })
  const left = [job('a'), job('b', 'a'), job('c', 'b'), job('d', 'a')]
  const removed: string[] = []
  const remove = async (id: string): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    if (left.some((each) => !removed.includes(each.id) && each.trigger.kind === 'after' && each.trigger.job === id)) throw new Error(`${id} is followed`)
    removed.push(id)
  }
  const { items, action } = removalOf(left, remove)
  const { failures } = await runBulk(items, action, { messageOf: String })
  expect(failures).toEqual([])
  expect(removed.toSorted()).toEqual(['a', 'b', 'c', 'd'])
})
