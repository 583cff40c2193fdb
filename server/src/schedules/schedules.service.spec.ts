import { describe, expect, it, vi } from 'vitest'
import type { Clock } from '../platform/clock.js'
import type { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import type { FireRound } from './fire-round.js'
import type { SchedulerLock } from './scheduler-lock.js'
import { SchedulesService } from './schedules.service.js'

type Answer = 'ours' | 'others' | 'away'

/** A scheduler with a clock set by hand; `pages` tells what each page of a round does. */
function scheduler(options: { answer?: () => Answer; page: () => Promise<boolean> }) {
  const world = { now: 1_000, released: 0, pages: 0 }
  const quiet = { error: () => {}, warn: () => {}, debug: () => {} } as unknown as Logger
  const shutdown = new Shutdown(quiet)
  const round = {
    runPage: () => {
      world.pages++
      return options.page()
    },
  } as unknown as FireRound
  const lock = {
    take: async () => options.answer?.() ?? 'ours',
    release: async () => {
      world.released++
    },
  } as unknown as SchedulerLock
  const service = new SchedulesService(round, lock, { now: () => world.now } as unknown as Clock, shutdown, quiet)
  service.onModuleInit()
  return { service, world, shutdown }
}

describe('the scheduler', () => {
  it('goes on page after page while there are due jobs', async () => {
    let left = 3
    const { service, world } = scheduler({ page: async () => --left > 0 })
    await service.tick()
    expect(world.pages).toBe(3)
  })

  it('does nothing while another server has the lock, and everything while Redis is away', async () => {
    let answer: Answer = 'others'
    const { service, world } = scheduler({ answer: () => answer, page: async () => false })
    await service.tick()
    expect([world.pages, service.isLeader]).toEqual([0, false])
    answer = 'away'
    await service.tick()
    expect([world.pages, service.isLeader]).toEqual([1, true])
  })

  it('stops in the midst of a round when it loses the lock', async () => {
    let answer: Answer = 'ours'
    const { service, world } = scheduler({
      answer: () => answer,
      page: async () => {
        answer = 'others'
        return true
      },
    })
    await service.tick()
    expect([world.pages, service.isLeader]).toEqual([1, false])
  })

  it('does not begin a round while one is under way', async () => {
    let finish: (isMore: boolean) => void = () => {}
    const { service, world } = scheduler({ page: () => new Promise((resolve) => (finish = resolve)) })
    const first = service.tick()
    await vi.waitFor(() => expect(world.pages).toBe(1))
    await service.tick()
    expect(world.pages).toBe(1)
    finish(false)
    await first
    const second = service.tick()
    await vi.waitFor(() => expect(world.pages).toBe(2))
    finish(false)
    await second
  })

  it('pauses after a failed round, and goes on', async () => {
    let isBroken = true
    const { service, world } = scheduler({
      page: async () => {
        if (isBroken) throw new Error('MongoDB is away')
        return false
      },
    })
    await service.tick()
    await service.tick()
    expect(world.pages).toBe(1)
    isBroken = false
    world.now += 5_000
    await service.tick()
    expect(world.pages).toBe(2)
  })

  it('ends its page and gives up the lock when the server leaves', async () => {
    let finish: (isMore: boolean) => void = () => {}
    const { service, world, shutdown } = scheduler({ page: () => new Promise((resolve) => (finish = resolve)) })
    const ticking = service.tick()
    await vi.waitFor(() => expect(world.pages).toBe(1))
    const leaving = shutdown.run()
    finish(true)
    await Promise.all([leaving, ticking])
    await service.tick()
    expect([world.pages, world.released, service.isLeader]).toEqual([1, 1, false])
  })
})
