import { MongoNetworkError } from 'mongodb'
import { describe, expect, it } from 'vitest'
import type { NewInstance } from '../engine/domain/new-instance.js'
import type { InstancesService } from '../engine/instances.service.js'
import type { Advance, DueJob } from '../jobs/domain/job.js'
import type { JobScheduleService } from '../jobs/job-schedule.service.js'
import type { Clock } from '../platform/clock.js'
import type { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { FireRound } from './fire-round.js'

const START = Date.parse('2027-05-01T10:00:00.000Z')

/** Jobs and instances in memory, with the same conditions on writes as the stored ones. */
class World {
  now = START
  readonly jobs = new Map<string, DueJob>()
  readonly instances = new Set<string>()
  /** Throws to make a step fail. */
  beforeCreate: (items: NewInstance[]) => void = () => {}
  beforeAdvance: () => void = () => {}
  calls = 0

  addJob(id: string, everyMs = 1_000): DueJob {
    const job: DueJob = {
      _id: id,
      namespace: 'default',
      name: id,
      revision: 1,
      priority: 0,
      routing: { group: 'default', tags: [] },
      maxConcurrent: 0,
      processor: { kind: 'shell' },
      params: {},
      fireAnchor: new Date(START),
      trigger: { kind: 'interval', everyMs },
      nextFireAt: new Date(START + everyMs),
    }
    this.jobs.set(id, job)
    return job
  }

  /** A server: any number of them share this world. */
  server(): FireRound {
    const jobs = {
      due: async ({ after, until }: { after: number; until: number }, limit: number, except: string[]) =>
        [...this.jobs.values()]
          .filter(({ _id, nextFireAt }) => nextFireAt.getTime() > after && nextFireAt.getTime() <= until && !except.includes(_id))
          .toSorted((a, b) => a.nextFireAt.getTime() - b.nextFireAt.getTime())
          .slice(0, limit)
          .map((job) => ({ ...job })),
      advance: async (advances: Advance[]) => {
        this.beforeAdvance()
        for (const { jobId, revision, from, to } of advances) {
          const job = this.jobs.get(jobId)
          if (job?.revision === revision && job.nextFireAt.getTime() === from.getTime() && to !== null) job.nextFireAt = to
        }
      },
    }
    const instances = {
      createMany: async (items: NewInstance[]) => {
        this.calls++
        this.beforeCreate(items)
        return items.map(({ job, scheduledFor }) => {
          const key = `${job.id} ${scheduledFor}`
          const created = !this.instances.has(key)
          this.instances.add(key)
          return { instanceId: key, created }
        })
      },
    }
    const quiet = { warn: () => {}, error: () => {} }
    const clock = { now: () => this.now }
    return new FireRound(
      jobs as unknown as JobScheduleService,
      instances as unknown as InstancesService,
      clock as unknown as Clock,
      new Metrics(),
      quiet as unknown as Logger,
    )
  }

  timesOf(id: string): number[] {
    return [...this.instances]
      .filter((key) => key.startsWith(`${id} `))
      .map((key) => (Number(key.split(' ')[1]) - START) / 1_000)
      .toSorted((a, b) => a - b)
  }
}

const runAll = async (round: FireRound): Promise<void> => {
  while (await round.runPage());
}
const fail = (): never => {
  throw new Error('this step fails')
}

describe('a round', () => {
  it('stores what is due within the look-ahead, and no more', async () => {
    const world = new World()
    const job = world.addJob('a')
    await runAll(world.server())
    expect(world.timesOf('a')).toEqual([1, 2])
    expect(job.nextFireAt.getTime()).toBe(START + 3_000)
  })

  it('stores 1,000 jobs due in the same second in a few writes', async () => {
    const world = new World()
    for (let i = 0; i < 1_000; i++) world.addJob(`job-${i}`, 2_000)
    await runAll(world.server())
    expect(world.instances.size).toBe(1_000)
    expect(world.calls).toBe(2)
  })

  it('that crashed before the jobs were advanced is done again without doubles', async () => {
    const world = new World()
    world.addJob('a')
    world.beforeAdvance = () => {
      throw new MongoNetworkError('connection closed')
    }
    await expect(runAll(world.server())).rejects.toThrow('connection closed')
    expect(world.timesOf('a')).toEqual([1, 2])
    world.beforeAdvance = () => {}
    await runAll(world.server())
    world.now += 1_000
    await runAll(world.server())
    expect(world.timesOf('a')).toEqual([1, 2, 3])
  })

  it('on several servers at once makes each instance once', async () => {
    const world = new World()
    for (let i = 0; i < 20; i++) world.addJob(`job-${i}`)
    const servers = [world.server(), world.server(), world.server()]
    for (let second = 0; second < 10; second++) {
      await Promise.all(servers.map(runAll))
      world.now += 1_000
    }
    for (let i = 0; i < 20; i++) expect(world.timesOf(`job-${i}`)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  it('does not advance a job that was changed meanwhile', async () => {
    const world = new World()
    const job = world.addJob('a')
    world.beforeAdvance = () => {
      if (job.revision > 1) return
      job.revision = 2
      job.nextFireAt = new Date(START + 60_000)
    }
    await runAll(world.server())
    expect(job.nextFireAt.getTime()).toBe(START + 60_000)
  })

  it('fires the others when one job cannot be stored, and that one later', async () => {
    const world = new World()
    for (const id of ['a', 'bad', 'c']) world.addJob(id)
    world.beforeCreate = (items) => {
      if (items.some(({ job }) => job.id === 'bad')) fail()
    }
    const server = world.server()
    await runAll(server)
    expect([world.timesOf('a'), world.timesOf('bad'), world.timesOf('c')]).toEqual([[1, 2], [], [1, 2]])
    world.beforeCreate = () => {}
    world.now += 2_000
    await runAll(server)
    expect(world.timesOf('bad')).toEqual([1, 2, 3, 4])
  })

  it('gives up at once when MongoDB is away, and blames no job', async () => {
    const world = new World()
    for (let i = 0; i < 10; i++) world.addJob(`job-${i}`)
    world.beforeCreate = () => {
      throw new MongoNetworkError('connection closed')
    }
    const server = world.server()
    await expect(server.runPage()).rejects.toThrow('connection closed')
    expect(world.calls).toBe(1)
    world.beforeCreate = () => {}
    await runAll(server)
    expect(world.instances.size).toBe(20)
  })

  it('catches up after an outage: every time that was missed fires', async () => {
    const world = new World()
    world.addJob('a')
    world.now += 600_000
    await runAll(world.server())
    expect(world.timesOf('a')).toEqual(Array.from({ length: 602 }, (_, i) => i + 1))
  })

  it('after an outage stores what is due now first, of jobs that are behind too, and then what was missed', async () => {
    const world = new World()
    for (let i = 0; i < 600; i++) world.addJob(`behind-${i}`, 60_000)
    world.now += 25 * 60_000
    const onTime = world.addJob('on-time', 60_000)
    onTime.nextFireAt = new Date(world.now)
    await runAll(world.server())
    const order = [...world.instances].map((key) => key.split(' ').map(Number)[1] ?? 0)
    const isMissed = order.map((at) => at < world.now - 10_000)
    // 500 jobs are looked at together. Between the pages of missed ones it is the turn of what is due now again.
    expect(isMissed.slice(0, 501)).toEqual(Array.from({ length: 501 }, () => false))
    expect(isMissed.filter((missed) => !missed)).toHaveLength(601)
    for (let i = 0; i < 600; i++) expect(world.timesOf(`behind-${i}`)).toEqual(Array.from({ length: 25 }, (_, k) => (k + 1) * 60))
  })

  it('looks for what is due now after each thousand of missed fires', async () => {
    const world = new World()
    for (let i = 0; i < 50; i++) world.addJob(`behind-${i}`, 1_000)
    world.now += 600_000
    const server = world.server()
    expect(await server.runPage()).toBe(true)
    const before = world.instances.size
    expect(before).toBeLessThan(50 * 13 + 1_100)
    world.addJob('now').nextFireAt = new Date(world.now)
    expect(await server.runPage()).toBe(true)
    expect([...world.instances].slice(before).every((key) => key.startsWith('now '))).toBe(true)
  })
})
