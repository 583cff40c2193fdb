import { MongoNetworkError } from 'mongodb'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../platform/clock.js'
import type { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { Shutdown } from '../platform/shutdown.js'
import { OutcomeHints } from './outcome-hints.js'
import type { OutcomesRepository, PendingRun } from './outcomes.repository.js'
import { Outcomes } from './outcomes.service.js'
import { type ConsumeOutcomes, OutcomeConsumers } from './ports/outcome-consumers.js'
import type { SweepLock } from './sweep-lock.js'

const quiet = { warn: () => {}, error: () => {}, debug: () => {} } as unknown as Logger
const ENDED_AT = 1_000_000

/** Ended runs with outcomes in memory, and servers that work them off. */
class World {
  now = ENDED_AT + 10_000
  readonly runs = new Map<string, PendingRun>()
  /** What was consumed, in order, as `kind id`. */
  readonly done: string[] = []
  /** Throws to let a consumer fail. */
  onConsume: (kind: string, ids: string[]) => void = () => {}
  readonly metrics = new Metrics()

  add(id: string, outcomes = ['after']): void {
    const run = { _id: id, namespace: 'default', jobId: 'job', jobName: 'job', revision: 1, status: 'SUCCEEDED' as const, attempt: 1 }
    this.runs.set(id, { ...run, finishedAt: new Date(ENDED_AT), outcomes })
  }

  server(kinds = ['after', 'alerts']): { outcomes: Outcomes; hints: OutcomeHints } {
    const consumers = new OutcomeConsumers()
    for (const kind of kinds) consumers.register(kind, this.consumer(kind))
    const pending = (): PendingRun[] => [...this.runs.values()].filter(({ outcomes }) => outcomes.length > 0)
    const repository = {
      findAmong: async (ids: string[]) => pending().filter(({ _id }) => ids.includes(_id)),
      findOld: async (until: Date, except: string[], limit: number) =>
        pending()
          .filter(({ _id, finishedAt }) => finishedAt <= until && !except.includes(_id))
          .slice(0, limit),
      markDone: async (kind: string, runs: PendingRun[]) => {
        for (const { _id } of runs) {
          const run = this.runs.get(_id)
          if (run !== undefined) this.runs.set(_id, { ...run, outcomes: run.outcomes.filter((each) => each !== kind) })
        }
      },
      count: async () => pending().length,
    }
    const hints = new OutcomeHints()
    const outcomes = new Outcomes(
      repository as unknown as OutcomesRepository,
      consumers,
      hints,
      { isOurs: true } as SweepLock,
      { now: () => this.now } as Clock,
      this.metrics,
      new Shutdown(quiet),
      quiet,
    )
    return { outcomes, hints }
  }

  private consumer(kind: string): ConsumeOutcomes {
    return async (runs) => {
      const ids = runs.map(({ _id }) => _id)
      this.onConsume(kind, ids)
      this.done.push(...ids.map((id) => `${kind} ${id}`))
    }
  }

  pendingOf(id: string): string[] | undefined {
    return this.runs.get(id)?.outcomes
  }
}

describe('what follows from the end of a run', () => {
  it('is done at once on the server that placed and settled it, and then never again', async () => {
    const world = new World()
    const { outcomes, hints } = world.server()
    world.add('a')
    hints.note([{ _id: 'a', outcomes: ['after'] }, { _id: 'plain' }])
    outcomes.settled(['a', 'plain'])
    await outcomes.idle()
    outcomes.settled(['a'])
    await outcomes.idle()
    await outcomes.sweep()
    expect(world.done).toEqual(['after a'])
    expect(world.pendingOf('a')).toEqual([])
  })

  it('is done by the sweep where the settling server died, but not while that may be at it', async () => {
    const world = new World()
    world.add('a')
    world.now = ENDED_AT + 500
    await world.server().outcomes.sweep()
    expect(world.done).toEqual([])
    world.now = ENDED_AT + 1_000
    await world.server().outcomes.sweep()
    expect(world.done).toEqual(['after a'])
  })

  it('stays pending when it fails, is tried again later and later, and holds up no other run and no other kind', async () => {
    const world = new World()
    const { outcomes } = world.server()
    for (const id of ['a', 'bad', 'c']) world.add(id, ['after', 'alerts'])
    let tries = 0
    world.onConsume = (kind, ids) => {
      if (kind !== 'after' || !ids.includes('bad')) return
      if (ids.length === 1) tries++
      throw new Error('this run is refused')
    }
    await outcomes.sweep()
    expect([world.pendingOf('a'), world.pendingOf('bad'), world.pendingOf('c')]).toEqual([[], ['after'], []])
    for (let second = 0; second < 60; second++) {
      world.now += 1_000
      await outcomes.sweep()
    }
    expect(tries).toBeGreaterThan(3)
    expect(tries).toBeLessThan(9)
    world.onConsume = () => {}
    world.now += 120_000
    await outcomes.sweep()
    expect(world.pendingOf('bad')).toEqual([])
    expect(world.done.toSorted()).toEqual(['after a', 'after bad', 'after c', 'alerts a', 'alerts bad', 'alerts c'])
  })

  it('blames no run when MongoDB is away', async () => {
    const world = new World()
    const { outcomes } = world.server()
    world.add('a')
    world.add('b')
    world.onConsume = () => {
      throw new MongoNetworkError('connection closed')
    }
    await outcomes.sweep()
    world.onConsume = () => {}
    await outcomes.sweep()
    expect(world.done).toEqual(['after a', 'after b'])
  })

  it('of a kind that this version does not know stays pending', async () => {
    const world = new World()
    const { outcomes } = world.server(['after'])
    world.add('a', ['after', 'of a later version'])
    await outcomes.sweep()
    expect(world.done).toEqual(['after a'])
    expect(world.pendingOf('a')).toEqual(['of a later version'])
  })

  it('is counted while it is pending', async () => {
    const world = new World()
    const { outcomes } = world.server(['after'])
    world.add('a', ['of a later version'])
    await outcomes.sweep()
    expect(await world.metrics.registry.metrics()).toContain('jobtrail_outcomes_pending 1')
  })
})

it('two features cannot both consume a kind', () => {
  const consumers = new OutcomeConsumers()
  consumers.register('after', async () => {})
  expect(() => consumers.register('after', async () => {})).toThrow('after')
})
