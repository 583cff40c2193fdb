import { expect, test } from 'vitest'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import type { LogStreamsRepository } from './log-streams.repository.js'
import type { LogStreamsService } from './log-streams.service.js'
import { LogStreamsSweeper } from './log-streams.sweeper.js'

const overdue = Array.from({ length: 50 }, (_, n) => ({
  key: { instanceId: `018f0000-0000-7000-8000-0000000000${10 + n}`, task: 0, attempt: 1 },
  expected: { lines: 0 },
}))

test('a log stream that cannot be looked at does not keep others from being sealed', async () => {
  const sealed: string[] = []
  const repository = {
    countUnsealed: async () => ({ open: overdue.length, interrupted: 0 }),
    findOverdue: async () => overdue,
    find: async () => undefined,
  } as unknown as LogStreamsRepository
  const streams = {
    decide: async (key: AttemptKey) => {
      if (key === overdue[0]?.key) throw new TypeError('It is stored in a shape that nothing can read')
      return { state: 'sealed', storedLines: 0 }
    },
    seal: async (keys: AttemptKey[]) => void sealed.push(...keys.map(({ instanceId }) => instanceId)),
  } as unknown as LogStreamsService
  const sweeper = new LogStreamsSweeper(repository, streams, { now: () => 0 } as Clock, new Metrics(), new Logger('fatal', 'spec'))
  await sweeper.sweep()
  expect(sealed.toSorted()).toEqual(overdue.slice(1).map(({ key }) => key.instanceId))
})
