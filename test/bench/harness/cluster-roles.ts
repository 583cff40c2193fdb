import { WorkerPage } from '@jobtrail/api/cluster'
import type { Cluster } from '../../support/cluster.js'
import type { ServerNode } from '../../support/nodes.js'

/** Of two servers, the one that the first worker is connected to, and the other. */
export async function rolesOf(cluster: Cluster): Promise<{ near: ServerNode; far: ServerNode }> {
  const api = await cluster.api()
  const { items } = await api.get('/api/workers', WorkerPage)
  const near = cluster.servers.find(({ name }) => name === items[0]?.serverId)
  const far = cluster.servers.find((server) => server !== near)
  if (near === undefined || far === undefined) throw new Error('there have to be a connected worker and two servers')
  return { near, far }
}

/** The process ID of a node of the cluster, which has to run. */
export function pidOf(node: { name: string; process: { pid: number | undefined } }): number {
  const { pid } = node.process
  if (pid === undefined) throw new Error(`${node.name} does not run`)
  return pid
}
