import { setTimeout as sleep } from 'node:timers/promises'
import { LEASE_MS } from '../cluster/cluster.js'
import { fillDisk, freeDisk } from '../cluster/disks.js'
import { type FaultKind, hurting, scaled, seconds } from './fault.js'
import { formerMissing, runWorker, SETTLE_MS } from './versions.js'

export const workerKill: FaultKind = {
  name: 'worker-kill',
  what: 'a worker gets SIGKILL and is started again',
  weight: 4,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.workers, draw, async (worker) => {
      say(worker.name)
      await worker.process.kill()
      await sleep(scaled(draw.size, 0, 3_000))
      worker.start()
      await sleep(SETTLE_MS)
    }),
}

export const workerRestart: FaultKind = {
  name: 'worker-restart',
  what: 'a worker is stopped in good order and started again',
  weight: 1.5,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.workers, draw, async (worker) => {
      say(worker.name)
      await worker.process.stop(20_000)
      worker.start()
      await sleep(SETTLE_MS)
    }),
}

export const workerFreeze: FaultKind = {
  name: 'worker-freeze',
  what: 'a worker is frozen (SIGSTOP) for less than the lease',
  weight: 5,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.workers, draw, async ({ name, process }) => {
      const ms = scaled(draw.size, 200, LEASE_MS / 2)
      say(`${name} for ${seconds(ms)}`)
      process.signal('SIGSTOP')
      await sleep(ms)
      process.signal('SIGCONT')
    }),
}

export const workerFreezeLong: FaultKind = {
  name: 'worker-freeze-long',
  what: 'a worker is frozen beyond the lease',
  weight: 2,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.workers, draw, async ({ name, process }) => {
      const ms = scaled(draw.size, LEASE_MS + 500, LEASE_MS + 5_000)
      say(`${name} for ${seconds(ms)}`)
      process.signal('SIGSTOP')
      await sleep(ms)
      process.signal('SIGCONT')
      await sleep(SETTLE_MS)
    }),
}

/** Two of three times the worker goes on meanwhile, once it is killed and has to start on the full disk. */
export const diskFull: FaultKind = {
  name: 'disk-full',
  what: "the disk of a worker's spool is full for a while",
  weight: 2,
  missing: ({ diskProblem }) => diskProblem,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.workers, draw, async (worker) => {
      const { disk, name } = worker
      if (disk === undefined) throw new Error(`${name} has no disk of its own`)
      const ms = scaled(draw.size, 500, 6_000)
      const isKilled = draw.size * 3 - Math.floor(draw.size * 3) < 1 / 3
      say(`${name} for ${seconds(ms)}${isKilled ? ', killed and started meanwhile' : ''}`)
      fillDisk(disk)
      try {
        if (isKilled) {
          await worker.process.kill()
          worker.start()
        }
        await sleep(ms)
        if (!worker.isRunning) throw new Error(`${name} ended by itself while its disk was full`)
      } finally {
        freeDisk(disk)
        if (!worker.isRunning) worker.start()
      }
      await sleep(SETTLE_MS)
    }),
}

export const tokenRevoke: FaultKind = {
  name: 'token-revoke',
  what: "a worker's token is revoked; a little later it is started with a new one",
  weight: 1.5,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.workers, draw, async (worker) => {
      say(worker.name)
      await cluster.access.revokeWorkerToken(worker.token.id)
      worker.setToken(await cluster.access.workerToken(worker.namespace))
      await sleep(scaled(draw.size, 0, 4_000))
      await worker.process.stop(20_000)
      worker.start()
      await sleep(SETTLE_MS)
    }),
}

/** Killed before its upgrade every other time: then there is a spool of the former version to recover. */
export const workerFormer: FaultKind = {
  name: 'worker-former',
  what: 'a worker is stopped, runs the former version on its spool for a while, and is upgraded again',
  weight: 1.5,
  missing: formerMissing,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.workers, draw, async (worker) => {
      const ms = scaled(draw.size, 3_000, 12_000)
      const end = Math.floor(draw.size * 64) % 2 === 0 ? 'stop' : 'kill'
      say(`${worker.name} for ${seconds(ms)}${end === 'kill' ? ', then killed' : ''}`)
      await runWorker(worker, 'former')
      await sleep(ms)
      if (!worker.isRunning) throw new Error(`${worker.name} ended by itself while it ran the former version`)
      await runWorker(worker, 'present', end)
    }),
}
