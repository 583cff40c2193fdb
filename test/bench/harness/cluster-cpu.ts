import type { Cluster } from '../../support/cluster.js'
import type { Bench } from './bench.js'
import { pidOf } from './cluster-roles.js'
import { treeSeconds } from './process-meter.js'

/** Seconds of CPU by part. Unlike times by the clock they hardly change with what else the machine does. */
export interface ClusterCpu {
  servers: number
  worker: number
  mongod: number
  redis: number
  balancer: number
}

/** What each part of a cluster has used since it was started. MongoDB and Redis serve all clusters of a benchmark. */
export function clusterCpu(bench: Bench, cluster: Cluster): ClusterCpu {
  const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + treeSeconds(pid), 0)
  return {
    servers: sum(cluster.servers.map(pidOf)),
    worker: sum(cluster.workers.map(pidOf)),
    mongod: treeSeconds(bench.mongodPid),
    redis: treeSeconds(pidOf({ name: 'redis-server', process: bench.redis.process })),
    balancer: cluster.balancer === undefined ? 0 : treeSeconds(pidOf({ name: 'balancer', process: cluster.balancer.process })),
  }
}
