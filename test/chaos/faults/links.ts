import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { Link } from '../cluster/link.js'
import { type FaultKind, hurting, scaled, seconds } from './fault.js'

/** Both sides of a connection that the bench has its proxies between. */
const ENDS: readonly { name: string; what: string; linksOf: (cluster: ChaosCluster) => Link[] }[] = [
  { name: 'worker', what: 'between a worker and the load balancer', linksOf: ({ workers }) => workers.map(({ link }) => link) },
  { name: 'mongodb', what: 'between a server and a member of the replica set', linksOf: ({ servers }) => servers.flatMap(({ mongoLinks }) => mongoLinks) },
  { name: 'redis', what: 'between a server and Redis', linksOf: ({ servers }) => servers.map(({ redisLink }) => redisLink) },
]

type Harm = { name: string; what: string; weight: number; harm: (link: Link, size: number) => { howLongMs: number; say: string } }
const HARMS: readonly Harm[] = [
  {
    name: 'cut',
    what: 'connections are cut',
    weight: 5,
    harm(link) {
      link.cut()
      return { howLongMs: 0, say: '' }
    },
  },
  {
    name: 'refuse',
    what: 'connections are cut and refused for a while',
    weight: 2,
    harm(link, size) {
      link.close()
      const howLongMs = scaled(size, 500, 8_000)
      return { howLongMs, say: ` for ${seconds(howLongMs)}` }
    },
  },
  {
    name: 'stall',
    what: 'connections stay open and nothing passes, below and above the lease',
    weight: 3,
    harm(link, size) {
      link.stall()
      const howLongMs = scaled(size * size, 300, 9_000)
      return { howLongMs, say: ` for ${seconds(howLongMs)}` }
    },
  },
  {
    name: 'slow',
    what: 'everything arrives late',
    weight: 3,
    harm(link, size) {
      const delayMs = scaled(size, 50, 1_200)
      link.delay(delayMs)
      const howLongMs = scaled(1 - size, 1_000, 8_000)
      return { howLongMs, say: ` by ${Math.round(delayMs)} ms for ${seconds(howLongMs)}` }
    },
  },
]

/** Cut, refused, stalled and slow connections, each between each of the ends. */
export const linkFaults: readonly FaultKind[] = ENDS.flatMap((end) =>
  HARMS.map(({ name, what, weight, harm }) => ({
    name: `${end.name}-${name}`,
    what: `${end.what}: ${what}`,
    weight: weight / 2,
    inflict: (cluster: ChaosCluster, draw: { pick: number; size: number }, say: (target: string) => void) =>
      hurting(cluster, end.linksOf(cluster), draw, async (link) => {
        const { howLongMs, say: detail } = harm(link, draw.size)
        say(`${link.name}${detail}`)
        await sleep(howLongMs)
        link.mend()
      }),
  })),
)
