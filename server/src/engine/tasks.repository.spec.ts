import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, test } from 'vitest'
import { ATTEMPT_MOVES, ATTEMPT_STATUSES, FINISHED_STATUSES, INSTANCE_STATUSES, type Move, TASK_MOVES } from '@jobtrail/protocol/domain/statuses'
import { Metrics } from '../platform/metrics.js'
import type { Mongo } from '../platform/mongo.js'
import { type AttemptEnding, attemptId } from './attempt-document.js'
import { AttemptsRepository } from './attempts.repository.js'
import type { Settlement } from './instance-document.js'
import { TasksRepository } from './tasks.repository.js'

const AT = new Date(0)
const KEY = { instanceId: 'one', task: 0, attempt: 1 }
const PROCESS = { id: 'worker', incarnation: 'this', since: AT }

type StatusFilter = { status?: string | { $in: readonly string[] } }
type Update = { filter: StatusFilter & Record<string, unknown>; update: unknown }

/** A database that changes nothing and remembers the updates that it was sent. */
function recorder(): { mongo: Mongo; updates: Update[] } {
  const updates: Update[] = []
  const note = (filter: Update['filter'], update: unknown) => {
    updates.push({ filter, update })
    return Promise.resolve({ modifiedCount: 0, matchedCount: 0 })
  }
  const found = { limit: () => ({ toArray: () => Promise.resolve([{ _id: 'one' }]) }) }
  const collection = {
    updateOne: note,
    updateMany: note,
    findOneAndUpdate: (filter: Update['filter'], update: unknown) => note(filter, update).then(() => null),
    bulkWrite: (operations: { updateMany: Update }[]) => {
      for (const { updateMany } of operations) void note(updateMany.filter, updateMany.update)
      return Promise.resolve({ modifiedCount: 0, matchedCount: 0 })
    },
    find: () => found,
  }
  return { mongo: { collection: () => collection, reads: () => collection } as unknown as Mongo, updates }
}

/** From which statuses to which these updates lead, as `WAITING → RUNNING`. */
function stepsOf(updates: readonly Update[], statuses: readonly string[]): Set<string> {
  const steps = updates.flatMap(({ filter: { status }, update }) => {
    const [{ $set }] = [update].flat() as [{ $set: { status?: string } }]
    const before = status === undefined ? statuses : typeof status === 'string' ? [status] : status.$in
    return $set.status === undefined ? [] : before.map((each) => `${each} → ${$set.status}`)
  })
  return new Set(steps)
}
const stepsIn = ({ from, to }: Move<string>): Set<string> => new Set(from.flatMap((before) => to.map((after) => `${before} → ${after}`)))

const tasksOf = (mongo: Mongo): TasksRepository => new TasksRepository(mongo, new Metrics())
const retried: Settlement = { key: KEY, kind: 'retry', dueAt: AT, queued: true, retriesUsed: 1, unstartedLosses: 0, error: null }
const ended = FINISHED_STATUSES.map((status): Settlement => ({ key: KEY, kind: 'final', status, startedAt: AT, finishedAt: AT, error: null, result: null }))
const ending = (status: AttemptEnding['status']) => ({ id: attemptId(KEY), process: PROCESS, ending: { status, finishedAt: AT } as AttemptEnding })

const taskUpdates: Record<keyof typeof TASK_MOVES, (tasks: TasksRepository) => Promise<unknown>> = {
  claim: (tasks) => tasks.claim([KEY]),
  unclaim: (tasks) => tasks.unclaim([KEY], AT),
  settle: (tasks) => tasks.settle([retried, ...ended]),
  cancel: (tasks) => Promise.all([tasks.cancelWaiting('one', AT), tasks.cancelSomeWaiting({ jobId: 'job' }, AT, 'gone')]),
  retry: (tasks) => tasks.retryFinal(KEY, AT),
}
const attemptUpdates: Record<keyof typeof ATTEMPT_MOVES, (attempts: AttemptsRepository) => Promise<unknown>> = {
  start: (attempts) => attempts.markRunning([{ id: attemptId(KEY), process: PROCESS, startedAt: AT }]),
  end: (attempts) => attempts.finish(FINISHED_STATUSES.map(ending)),
  lose: (attempts) => attempts.markLost(attemptId(KEY), 'worker', { at: AT, error: 'silent', hasStarted: true, mayHaveStarted: true }),
}

describe('updates of statuses', () => {
  it.each(Object.entries(taskUpdates))('%s a task from the statuses, and to those, that its move names', async (name, update) => {
    const { mongo, updates } = recorder()
    await update(tasksOf(mongo))
    expect(stepsOf(updates, INSTANCE_STATUSES)).toEqual(stepsIn(TASK_MOVES[name as keyof typeof TASK_MOVES]))
  })

  it.each(Object.entries(attemptUpdates))('%s an attempt from the statuses, and to those, that its move names', async (name, update) => {
    const { mongo, updates } = recorder()
    await update(new AttemptsRepository(mongo))
    expect(stepsOf(updates, ATTEMPT_STATUSES)).toEqual(stepsIn(ATTEMPT_MOVES[name as keyof typeof ATTEMPT_MOVES]))
  })

  it('to what no move leads to are refused', async () => {
    await expect(new AttemptsRepository(recorder().mongo).finish([ending('LOST')])).rejects.toThrow(RangeError)
  })

  it('are written nowhere but by a move', () => {
    const here = dirname(fileURLToPath(import.meta.url))
    for (const file of ['tasks.repository.ts', 'attempts.repository.ts', 'instances.repository.ts'])
      expect(readFileSync(join(here, file), 'utf8')).not.toMatch(/\$set: \{[^}]*[{ ]status\b/)
  })
})

test('a key of a task that no document holds changes nothing', async () => {
  const { mongo, updates } = recorder()
  const [tasks, key] = [tasksOf(mongo), { ...KEY, task: 1 }]
  expect(await tasks.claim([key])).toBe(0)
  await tasks.unclaim([key], AT)
  await tasks.markStarted([{ key, startedAt: AT }])
  await tasks.settle([{ ...retried, key }])
  expect(updates).toEqual([])
  await tasks.hold([key], AT)
  await tasks.markQueued([key])
  await tasks.retryFinal(key, AT)
  expect(updates.map(({ filter }) => filter._id)).toEqual([{ $in: [] }, { $in: [] }, { $in: [] }])
})
