import { describe, expect, test } from 'vitest'
import type { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import type { SignalBus } from '../platform/signals.js'
import { emptyTotals } from './domain/stream-totals.js'
import type { LogStore } from './log-store.js'
import type { LogStreamsRepository } from './log-streams.repository.js'
import { LogStreamsService } from './log-streams.service.js'

const KEY = { instanceId: '018f0000-0000-7000-8000-000000000001', task: 0, attempt: 1, namespace: 'default', jobId: 'job' }

/** Open streams without lines; `used` names the connections that were read over. */
function setUp(): { service: LogStreamsService; used: Set<'runs' | 'people'> } {
  const used = new Set<'runs' | 'people'>()
  const over = <T>(connections: 'runs' | 'people', value: T): Promise<T> => {
    used.add(connections)
    return Promise.resolve(value)
  }
  const repository = {
    find: () => over('runs', undefined),
    findMany: () => over('runs', [undefined]),
    look: () => over('people', [undefined]),
    interrupt: () => over('runs', true),
    seal: () => over('runs', [true]),
  } as unknown as LogStreamsRepository
  const store = {
    positions: () => over('runs', []),
    forPeople: { positions: () => over('people', []) },
    onlyPositions: () => Promise.resolve([]),
  } as unknown as LogStore
  const signals = { send: () => undefined } as unknown as SignalBus
  return { service: new LogStreamsService(store, repository, signals, {} as Clock, new Logger('fatal', 'spec')), used }
}

describe('log streams are read over the connections', () => {
  test.each([
    ['view', (service: LogStreamsService) => service.view(KEY)],
    ['summaries', (service: LogStreamsService) => service.summaries([KEY])],
    ['record', (service: LogStreamsService) => service.record(KEY)],
  ])('of people, who look at them (%s)', async (_name, look) => {
    const { service, used } = setUp()
    await look(service)
    expect([...used]).toEqual(['people'])
  })

  test.each([
    ['resume', (service: LogStreamsService) => service.resume([KEY])],
    ['seal', (service: LogStreamsService) => service.seal([{ ...KEY, totals: emptyTotals(KEY) }])],
    ['interrupt', (service: LogStreamsService) => service.interrupt(KEY, 'lost')],
    ['stored', (service: LogStreamsService) => service.stored(KEY)],
  ])('of runs, whose logs they are (%s)', async (_name, work) => {
    const { service, used } = setUp()
    await work(service)
    expect([...used]).toEqual(['runs'])
  })
})
