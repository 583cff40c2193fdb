import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosCluster, LEASE_MS } from '../cluster/cluster.js'
import type { Build, WorkerProgram } from '../cluster/program.js'
import { type Draw, type FaultKind, hurting, revive, scaled, seconds } from './fault.js'
import { formerMissing, runServer, runWorker } from './versions.js'

/** Longer than any other fault holds a server, and the upgrades before and after. */
const ALL_SERVERS_WITHIN_MS = 120_000

export const serverKill: FaultKind = {
  name: 'server-kill',
  what: 'a server gets SIGKILL and is started again',
  weight: 4,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.servers, draw, async (server) => {
      say(server.name)
      await server.process.kill()
      await sleep(scaled(draw.size, 0, 2_000))
      await revive(cluster, server)
    }),
}

export const allServersKill: FaultKind = {
  name: 'server-kill-all',
  what: 'all servers get SIGKILL at the same time, and come back a little later',
  weight: 0.5,
  async inflict(cluster, draw, say) {
    const { claims, servers } = cluster
    const taken = servers.flatMap((server) => claims.take([server], 0) ?? [])
    try {
      // Those that something else hurts already are down or dazed anyway.
      if (taken.length === 0) return
      say(taken.map(({ name }) => name).join(', '))
      await Promise.all(taken.map(({ process }) => process.kill()))
      await sleep(scaled(draw.size, 0, 4_000))
      await Promise.all(taken.map((server) => revive(cluster, server)))
    } finally {
      for (const server of taken) claims.release(server)
    }
  },
}

export const serverFreeze: FaultKind = {
  name: 'server-freeze',
  what: 'a server is frozen (SIGSTOP) for less than the lease',
  weight: 5,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.servers, draw, async ({ name, process }) => {
      const ms = scaled(draw.size, 200, LEASE_MS / 2)
      say(`${name} for ${seconds(ms)}`)
      process.signal('SIGSTOP')
      await sleep(ms)
      process.signal('SIGCONT')
    }),
}

export const serverFreezeLong: FaultKind = {
  name: 'server-freeze-long',
  what: 'a server is frozen beyond the lease',
  weight: 2,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.servers, draw, async ({ name, process }) => {
      const ms = scaled(draw.size, LEASE_MS + 500, LEASE_MS + 4_000)
      say(`${name} for ${seconds(ms)}`)
      process.signal('SIGSTOP')
      await sleep(ms)
      process.signal('SIGCONT')
    }),
}

export const serverFormer: FaultKind = {
  name: 'server-former',
  what: 'a server is stopped, runs the former version for a while, and is upgraded again',
  weight: 1.5,
  missing: formerMissing,
  inflict: (cluster, draw, say) =>
    hurting(cluster, cluster.servers, draw, async (server) => {
      const ms = scaled(draw.size, 3_000, 12_000)
      say(`${server.name} for ${seconds(ms)}`)
      await runServer(cluster, server, 'former')
      await sleep(ms)
      if (!server.isRunning) throw new Error(`${server.name} ended by itself while it ran the former version`)
      await runServer(cluster, server, 'present')
    }),
}

/** A worker goes along: servers of the former version let no later worker in, and work is to go on. */
export const rollingFormer: FaultKind = {
  name: 'rolling-former',
  what: 'a worker and then all servers, one after another, go to the former version, and then back',
  weight: 0.7,
  missing: formerMissing,
  async inflict(cluster, draw, say) {
    const { claims, servers } = cluster
    const worker = claims.take(
      cluster.workers.filter(({ namespace }) => namespace === 'alpha'),
      draw.pick,
    )
    if (worker === undefined) return
    try {
      if (!(await claims.takeAll(servers, ALL_SERVERS_WITHIN_MS))) return
      try {
        say(`${worker.name} and all servers`)
        await runWorker(worker, 'former')
        await roll(cluster, 'former', draw)
      } finally {
        // Whatever failed on the way, what comes after this fault is to run the present version again.
        await backToPresent(cluster, worker, draw).finally(() => servers.forEach((server) => claims.release(server)))
      }
    } finally {
      claims.release(worker)
    }
  },
}

/** Restarts all servers from that build, one after another. */
async function roll(cluster: ChaosCluster, build: Build, draw: Draw): Promise<void> {
  for (const server of cluster.servers) {
    await runServer(cluster, server, build)
    await sleep(scaled(draw.size, 500, 3_000))
  }
}

async function backToPresent(cluster: ChaosCluster, worker: WorkerProgram, draw: Draw): Promise<void> {
  await roll(cluster, 'present', draw)
  await runWorker(worker, 'present')
}
