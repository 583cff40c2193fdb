import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient, MongoError } from 'mongodb'
import type { ChaosCluster } from '../cluster/cluster.js'
import { type Draw, type FaultKind, hurting, scaled, seconds } from './fault.js'
import type { MongoMember } from '../cluster/cluster.js'

/** One member at a time: a majority is always there, but for the elections. */
async function hurtingMember(cluster: ChaosCluster, draw: Draw, work: (member: MongoMember) => Promise<void>): Promise<void> {
  if (cluster.claims.countHeld(cluster.mongoMembers) === 0) await hurting(cluster, cluster.mongoMembers, draw, work)
}

export const mongodKill: FaultKind = {
  name: 'mongod-kill',
  what: 'a member of the replica set, the primary or another, gets SIGKILL and is started again',
  weight: 3,
  inflict: (cluster, draw, say) =>
    hurtingMember(cluster, draw, async ({ name, index }) => {
      say(name)
      await cluster.replicaSet.kill(index)
      await sleep(scaled(draw.size, 0, 4_000))
      await cluster.replicaSet.restart(index)
    }),
}

export const mongodFreeze: FaultKind = {
  name: 'mongod-freeze',
  what: 'a member of the replica set, the primary or another, is frozen: below and above the time after which another is elected',
  weight: 3,
  inflict: (cluster, draw, say) =>
    hurtingMember(cluster, draw, async ({ name, index }) => {
      const ms = scaled(draw.size, 200, 6_000)
      say(`${name} for ${seconds(ms)}`)
      const process = cluster.replicaSet.members[index]?.process
      process?.signal('SIGSTOP')
      await sleep(ms)
      process?.signal('SIGCONT')
    }),
}

export const primaryStepDown: FaultKind = {
  name: 'primary-step-down',
  what: 'the primary of the replica set is told to step down',
  weight: 4,
  async inflict(cluster, _draw, say) {
    const primary = await cluster.replicaSet.primary(60_000)
    const client = new MongoClient(`mongodb://127.0.0.1:${primary.port}/?directConnection=true`, { serverSelectionTimeoutMS: 2_000, socketTimeoutMS: 10_000 })
    try {
      await client.db('admin').command({ replSetStepDown: 2, secondaryCatchUpPeriodSecs: 1 })
      say(`mongod-${primary.index}`)
    } catch (error) {
      // No other member could take its place just then, or it was killed at that moment: nothing was hurt by this fault.
      if (!(error instanceof MongoError)) throw error
    } finally {
      await client.close()
    }
  },
}

export const redisKill: FaultKind = {
  name: 'redis-kill',
  what: 'Redis gets SIGKILL and is started again with what it had written',
  weight: 3,
  inflict: (cluster, draw, say) =>
    hurting(cluster, [cluster.redisNode], draw, async ({ name }) => {
      say(name)
      await cluster.redis.kill()
      await sleep(scaled(draw.size, 0, 3_000))
      await cluster.redis.start()
    }),
}

export const redisFreeze: FaultKind = {
  name: 'redis-freeze',
  what: 'Redis is frozen',
  weight: 2,
  inflict: (cluster, draw, say) =>
    hurting(cluster, [cluster.redisNode], draw, async ({ name }) => {
      const ms = scaled(draw.size, 200, 5_000)
      say(`${name} for ${seconds(ms)}`)
      cluster.redis.process.signal('SIGSTOP')
      await sleep(ms)
      cluster.redis.process.signal('SIGCONT')
    }),
}

export const redisEmpty: FaultKind = {
  name: 'redis-empty',
  what: 'Redis is emptied',
  weight: 3,
  inflict: (cluster, draw, say) =>
    hurting(cluster, [cluster.redisNode], draw, async ({ name }) => {
      say(name)
      await cluster.redis.flush()
    }),
}
