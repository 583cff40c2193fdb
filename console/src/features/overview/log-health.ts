import type { ServerView, WorkerView } from '@jobtrail/api/cluster'
import type { Overview } from '@jobtrail/api/overview'

export type LogHealth = { level: 'ok' | 'warning' | 'error'; text: 'keepsUp' | 'behind' | 'late' | 'gaps'; count: number; lagMs: number; spoolBytes: number }

const SLOW_MS = 2_000
const MUCH_SPOOLED = 64 * 1024 * 1024

/** Whether log storage keeps up: nothing late, nothing piling up at the workers, quick to be stored. */
export function logHealth({ logs }: Pick<Overview, 'logs'>, workers: readonly WorkerView[], servers: readonly ServerView[]): LogHealth {
  const lagMs = Math.max(0, ...servers.map((server) => server.logLagMs))
  const spoolBytes = workers.reduce((sum, worker) => sum + worker.spoolBytes, 0)
  const figures = { lagMs, spoolBytes }
  if (logs.interrupted > 0) return { level: 'error', text: 'gaps', count: logs.interrupted, ...figures }
  if (logs.late > 0) return { level: 'warning', text: 'late', count: logs.late, ...figures }
  if (lagMs > SLOW_MS || spoolBytes > MUCH_SPOOLED) return { level: 'warning', text: 'behind', count: 0, ...figures }
  return { level: 'ok', text: 'keepsUp', count: 0, ...figures }
}
