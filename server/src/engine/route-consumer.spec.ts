import { randomUUID } from 'node:crypto'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { Job, Worker } from 'bullmq'
import { describe, expect, it, vi } from 'vitest'
import { Logger } from '../platform/logging.js'
import { connectedWorker } from '../workers/testing/connected-worker.js'
import { WorkerRegistry } from '../workers/worker-registry.js'
import { parseRoute } from './domain/route.js'
import type { Fetched, Placement } from './placement.js'
import { RouteConsumer } from './route-consumer.js'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A queue in memory that counts how many jobs it is asked for at a time, and answers when it is told to. */
class FakeQueue {
  readonly name = 'fake'
  readonly asked: number[] = []
  private waiting: (() => void)[] = []

  /** `size`: attempts in a job. */
  constructor(
    public jobs: number,
    private readonly size = 1,
  ) {}

  getNextJob(): Promise<Job<unknown, string> | undefined> {
    const job = this.jobs > 0 ? ({ id: String(this.jobs--), data: { attempts: this.keys() } } as Job<unknown, string>) : undefined
    return new Promise((resolve) => this.waiting.push(() => resolve(job)))
  }

  private keys(): string[] {
    return Array.from({ length: this.size }, (_, i) => attemptKeyString({ instanceId: randomUUID(), task: 0, attempt: i + 1 }))
  }

  /** Answers all calls of one round; false when there were none. */
  async answer(): Promise<boolean> {
    const round = this.waiting
    this.waiting = []
    if (round.length === 0) return false
    this.asked.push(round.length)
    for (const answer of round) answer()
    await settled()
    return true
  }

  async answerAll(): Promise<void> {
    while (await this.answer());
  }
}

function setUp(slots: number) {
  const registry = new WorkerRegistry()
  const worker = connectedWorker(slots)
  registry.add(worker)
  const placed: Fetched[] = []
  const placing = { isStale: false, drops: 0 }
  const placement = {
    place: async (fetched: Fetched) => {
      placed.push(fetched)
      if (placing.isStale) for (const each of fetched.placements) each.worker.release()
      return { isStale: placing.isStale }
    },
  } as unknown as Placement
  const dropStale = async (): Promise<void> => {
    placing.drops++
  }
  const logger = new Logger('fatal', 'spec')
  const consume = (queue: FakeQueue): RouteConsumer =>
    new RouteConsumer(parseRoute('default/default//'), queue as unknown as Worker<unknown, string>, registry, placement, dropStale, () => undefined, logger)
  return { worker, placed, placing, consume }
}

describe('a route', () => {
  it('is asked for a single attempt while it is quiet', async () => {
    const { placed, consume } = setUp(500)
    const queue = new FakeQueue(0)
    const consumer = consume(queue)
    for (let i = 0; i < 3; i++) {
      consumer.wake()
      await queue.answerAll()
    }
    expect(queue.asked).toEqual([1, 1, 1])
    expect(placed).toEqual([])
  })

  it('is asked for as many as came last time, and for one again when nothing comes', async () => {
    const { placed, consume } = setUp(500)
    const queue = new FakeQueue(100)
    const consumer = consume(queue)
    consumer.wake()
    await queue.answerAll()
    expect(queue.asked).toEqual([1, 4, 16, 64, 128])
    expect(placed).toHaveLength(100)
    queue.asked.length = 0
    queue.jobs = 15
    consumer.wake()
    await queue.answerAll()
    expect(queue.asked).toEqual([15, 60])
    expect(placed).toHaveLength(115)
    queue.asked.length = 0
    consumer.wake()
    await queue.answerAll()
    expect(queue.asked).toEqual([1])
  })

  it('is asked, when something is due, for as many as came at the last due time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const { consume } = setUp(500)
      const queue = new FakeQueue(20)
      const consumer = consume(queue)
      consumer.wake(1_000)
      vi.advanceTimersByTime(1_000)
      await queue.answerAll()
      expect(queue.asked).toEqual([1, 4, 16])
      queue.asked.length = 0
      queue.jobs = 20
      consumer.wake(1_000)
      vi.advanceTimersByTime(1_000)
      await queue.answerAll()
      expect(queue.asked[0]).toBe(20)
    } finally {
      vi.useRealTimers()
    }
  })

  it('is asked again for what was due and not there yet', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const { placed, consume } = setUp(500)
      const queue = new FakeQueue(0)
      consume(queue).wake(1_000)
      vi.advanceTimersByTime(1_000)
      await queue.answerAll()
      expect(placed).toHaveLength(0)
      queue.jobs = 1
      vi.advanceTimersByTime(5)
      await settled()
      await queue.answerAll()
      expect(placed).toHaveLength(1)
    } finally {
      vi.useRealTimers()
    }
  })

  it('gives back the slots that it reserved in vain', async () => {
    const { worker, consume } = setUp(5)
    const queue = new FakeQueue(2)
    consume(queue).wake()
    await queue.answerAll()
    expect(worker.freeSlots).toBe(3)
  })

  it('is asked for no more jobs than the free slots can hold', async () => {
    const { placed, consume } = setUp(100)
    const queue = new FakeQueue(10, 25)
    consume(queue).wake()
    await queue.answerAll()
    expect(queue.asked).toEqual([1, 3])
    expect(placed.map(({ placements, rest }) => [placements.length, rest.length])).toEqual(Array.from({ length: 4 }, () => [25, 0]))
  })

  it('places as many attempts of a job as there are free slots, and leaves the rest', async () => {
    const { worker, placed, consume } = setUp(8)
    const queue = new FakeQueue(1, 25)
    consume(queue).wake()
    await queue.answerAll()
    expect(placed.map(({ placements, rest }) => [placements.length, rest.length])).toEqual([[8, 17]])
    expect(
      new Set([...(placed[0]?.placements.map(({ key }) => key.instanceId) ?? []), ...(placed[0]?.rest.map(({ instanceId }) => instanceId) ?? [])]).size,
    ).toBe(25)
    expect(worker.freeSlots).toBe(0)
  })

  it('has its stale jobs removed together once some came in a row', async () => {
    const { placing, consume } = setUp(4)
    placing.isStale = true
    const queue = new FakeQueue(40)
    const consumer = consume(queue)
    consumer.wake()
    await queue.answerAll()
    expect(placing.drops).toBeGreaterThan(0)
    placing.isStale = false
    placing.drops = 0
    queue.jobs = 4
    consumer.wake()
    await queue.answerAll()
    expect(placing.drops).toBe(0)
  })

  it('that finds every slot reserved is served once another gives some back', async () => {
    const { placed, consume } = setUp(1)
    const empty = new FakeQueue(0)
    const full = new FakeQueue(1)
    consume(empty).wake()
    consume(full).wake()
    expect(await full.answer()).toBe(false)
    await empty.answerAll()
    await full.answerAll()
    expect(placed).toHaveLength(1)
  })
})
