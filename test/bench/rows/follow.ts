import { LogLineView } from '@jobtrail/api/logs'
import type { Cluster } from '../../support/cluster.js'
import type { Bench } from '../harness/bench.js'
import { machineMs } from '../harness/clock.js'
import { rolesOf } from '../harness/cluster-roles.js'
import { programPath } from '../harness/program.js'
import { figure, type Row } from '../harness/row.js'
import { defineJob, runMany } from '../harness/runs.js'
import { percentile } from '../harness/statistics.js'

const LINES_PER_SECOND = 5_000
const SECONDS = 12

export const followRow: Row = {
  id: 'follow',
  what: 'line written → event on a follower connected to another server, while 5,000 lines/s flow',
  async measure(bench) {
    const runs = await bench.withCluster({ slots: 2 }, async (cluster) => {
      await followOnce(bench, cluster, 2)
      return bench.repeat('follow', () => followOnce(bench, cluster, SECONDS))
    })
    return [
      figure(runs, 'p50', 'ms', (times) => percentile(times, 0.5), { atMost: 80 }),
      figure(runs, 'p99', 'ms', (times) => percentile(times, 0.99), { atMost: 250 }),
      figure(runs, 'longest', 'ms', (times) => percentile(times, 1)),
    ]
  },
}

/** Milliseconds from the write to the event, for each line. */
async function followOnce(bench: Bench, cluster: Cluster, fullSeconds: number): Promise<number[]> {
  const seconds = Math.max(2, bench.scaled(fullSeconds))
  const { far } = await rolesOf(cluster)
  const args = [programPath('paced-printer'), String(LINES_PER_SECOND), String(seconds)]
  const name = `paced-${Math.round(machineMs())}`
  const jobId = await defineJob(cluster, { name, trigger: { kind: 'manual' }, processor: { kind: 'shell', command: process.execPath, args } })
  const [instanceId = ''] = await runMany(cluster, jobId, 1)
  const times: number[] = []
  const api = await cluster.api(far.url)
  for await (const { event, data } of api.events(`/api/instances/${instanceId}/logs/follow?from=0`)) {
    if (event === 'end') break
    if (event !== 'message') continue
    const now = machineMs()
    times.push(now - Number(LogLineView.parse(JSON.parse(data)).text.split(' ', 1)[0]))
  }
  if (times.length !== LINES_PER_SECOND * seconds) throw new Error(`${LINES_PER_SECOND * seconds} lines were printed and ${times.length} arrived`)
  return times
}
