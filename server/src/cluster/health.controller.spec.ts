import { describe, expect, it } from 'vitest'
import { parseConfig } from '../config/config.js'
import { Metrics } from '../platform/metrics.js'
import type { Mongo } from '../platform/mongo.js'
import type { RedisConnections } from '../platform/redis.js'
import type { Shutdown } from '../platform/shutdown.js'
import { HealthController } from './health.controller.js'

const TOKEN = 'a-token-of-prometheus'

function setUp(environment: Record<string, string>): (authorization?: string) => Promise<string> {
  const metrics = new Metrics()
  const controller = new HealthController({} as Mongo, {} as RedisConnections, metrics, {} as Shutdown, parseConfig(environment))
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
