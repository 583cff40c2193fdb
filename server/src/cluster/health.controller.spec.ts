import { describe, expect, it } from 'vitest'
import { parseConfig } from '../config/config.js'
import type { Reply } from '../platform/http/requests.js'
import type { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import type { Mongo } from '../platform/mongo.js'
import type { RedisConnections } from '../platform/redis.js'
import type { Shutdown } from '../platform/shutdown.js'
import { HealthController } from './health.controller.js'

const TOKEN = 'a-token-of-prometheus'

function setUp(environment: Record<string, string>): (authorization?: string) => Promise<string> {
  const metrics = new Metrics()
  const controller = new HealthController({} as Mongo, {} as RedisConnections, metrics, {} as Shutdown, parseConfig(environment), {} as Logger)
  metrics.setQueueDepths([
    { route: 'team/group//handler', depth: 2 },
    { route: 'other/group//', depth: 3 },
  ])
  return async (authorization) => controller.print(authorization)
}

describe('/metrics', () => {
  it('without a token of its own tells how much waits, and not of whom', async () => {
    const text = await setUp({})()
    expect(text).toMatch(/^jobtrail_queue_depth 5$/m)
    expect(text).not.toMatch(/team|other\/|handler"/)
  })

  it('with one tells it by route, to those who have it', async () => {
    const print = setUp({ JOBTRAIL_METRICS_TOKEN: TOKEN })
    expect(await print(`Bearer ${TOKEN}`)).toMatch(/^jobtrail_queue_depth\{route="team\/group\/\/handler"\} 2$/m)
    for (const wrong of [undefined, 'Bearer another-token-of-it', `Basic ${TOKEN}`])
      await expect(print(wrong)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})

it('/health/ready says which database is away to anybody, and why to the log only, once', async () => {
  const failure = new Error('connect ECONNREFUSED mongo-1.internal:27017')
  const isAway = { mongodb: true }
  const logged: unknown[] = []
  const controller = new HealthController(
    { ping: () => (isAway.mongodb ? Promise.reject(failure) : Promise.resolve()) } as unknown as Mongo,
    { ping: () => Promise.resolve() } as unknown as RedisConnections,
    new Metrics(),
    { isDraining: false } as Shutdown,
    parseConfig({}),
    { warn: (_message: string, fields: unknown) => logged.push(fields) } as unknown as Logger,
  )
  const ready = (): Promise<unknown> => controller.ready({ status: () => undefined } as unknown as Reply)
  for (let i = 0; i < 3; i++) expect(await ready()).toEqual({ status: 'unavailable', mongodb: 'away', redis: 'ok' })
  expect(logged).toEqual([{ dependency: 'mongodb', err: failure }])
  isAway.mongodb = false
  expect(await ready()).toEqual({ status: 'ready', mongodb: 'ok', redis: 'ok' })
  isAway.mongodb = true
  await ready()
  expect(logged).toHaveLength(2)
})
