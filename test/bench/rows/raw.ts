import type { Cluster } from '../../support/cluster.js'
import { pidOf, rolesOf } from '../harness/cluster-roles.js'
import { type LongLog, printLongLog } from '../harness/long-log.js'
import { forgetPeak, peakMib, residentMib } from '../harness/process-meter.js'
import { figure, type Row } from '../harness/row.js'

interface RawRun {
  linesPerSecond: number
  grownMib: number
}

export const rawRow: Row = {
  id: 'raw',
  what: 'whole log of 1,000,000 lines by raw, from a server',
  async measure(bench) {
    const runs = await bench.withCluster({}, async (cluster) => {
      const log = await printLongLog(bench, cluster)
      return bench.repeat('raw log', () => download(cluster, log))
    })
    return [
      figure(runs, 'request to last byte', 'lines/s', ({ linesPerSecond }) => linesPerSecond, { atLeast: 500_000 }),
      figure(runs, "growth of the server's memory, at its peak", 'MiB', ({ grownMib }) => grownMib, { atMost: 64 }),
    ]
  },
}

async function download(cluster: Cluster, log: LongLog): Promise<RawRun> {
  const { far } = await rolesOf(cluster)
  const pid = pidOf(far)
  const api = await cluster.api(far.url)
  forgetPeak(pid)
  const before = residentMib(pid)
  const startedAt = performance.now()
  const response = await api.raw('GET', `/api/instances/${log.instanceId}/logs/raw`, {
    headers: { 'accept-encoding': 'identity' },
    signal: AbortSignal.timeout(120_000),
  })
  let bytes = 0
  for await (const part of response.body ?? []) bytes += (part as Uint8Array).length
  const seconds = (performance.now() - startedAt) / 1_000
  if (bytes !== log.bytes) throw new Error(`the log has ${log.bytes} bytes and ${bytes} came`)
  return { linesPerSecond: log.lines / seconds, grownMib: peakMib(pid) - before }
}
