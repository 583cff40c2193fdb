import type { StripRun } from '@jobtrail/api/instances'
import type { InstanceStatus } from '@jobtrail/protocol/domain/statuses'

/** `height` 0 to 1, by duration on a logarithmic scale within the strip: which runs took unusually long is seen at a glance. */
export type StripBar = { id: string; status: InstanceStatus; height: number; durationMs: number | null; at: string }

/** Oldest first, as time is read. */
export function barsOf(runs: readonly StripRun[], now: number): StripBar[] {
  const durations = runs.map((run) => durationOf(run, now))
  const logs = durations.filter((each) => each !== null).map((each) => Math.log(each + 100))
  const [low, high] = [Math.min(...logs), Math.max(...logs)]
  return runs
    .map((run, i): StripBar => {
      const durationMs = durations[i] ?? null
      // A spread below a factor of about 1.6 is noise: all alike.
      const share = durationMs === null ? 0 : high - low < 0.5 ? 0.5 : (Math.log(durationMs + 100) - low) / (high - low)
      return { id: run.id, status: run.status, height: durationMs === null ? 0.3 : 0.4 + 0.6 * share, durationMs, at: run.startedAt ?? run.dueAt }
    })
    .toReversed()
}

/** Where a key leads from the bar `at`, of `count`; undefined for a key that leads nowhere. */
export function barAfterKey(key: string, at: number, count: number): number | undefined {
  const targets: Partial<Record<string, number>> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 }
  const target = targets[key]
  return target === undefined ? undefined : Math.min(count - 1, Math.max(0, target))
}

function durationOf(run: StripRun, now: number): number | null {
  if (run.startedAt === null) return null
  return Math.max(0, (run.finishedAt === null ? now : Date.parse(run.finishedAt)) - Date.parse(run.startedAt))
}
