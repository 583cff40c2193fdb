import { type AttemptGroup, describeProcesses, forget, type Found, killPass } from './kill-pass.js'
import type { WorkerLogger } from '../sdk-types.js'

const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 1_000

/** How the end of an attempt's processes went, as far as is known now. */
export interface Reaped {
  /** What still ran when it began, for people; null: nothing. */
  readonly ended: string | null
  /** What could not be ended until the bound, for people; null: everything is gone. */
  readonly left: string | null
  /** Resolves when nothing runs any more. */
  readonly gone: Promise<void>
}

interface Entry {
  readonly attempt: AttemptGroup
  readonly reportBy: number
  readonly resolve: (reaped: Reaped) => void
  readonly gone: Promise<void>
  readonly setGone: () => void
  ended: string | null
  isReported: boolean
}

/**
 * Ends all that is left of attempts, for as long as it takes: looks, kills, and looks again until a look finds nothing. An empty control group is no reason not to look: a
 * process that may write `cgroup.procs` can leave it. Attempts that end at the same time share their looks.
 */
export class Reaper {
  private readonly entries = new Map<string, Entry>()
  private isRunning = false
  private pauseMs = FIRST_PAUSE_MS
  private wake: () => void = () => undefined

  constructor(
    private readonly log: Pick<WorkerLogger, 'warn'> | undefined,
    private readonly look: (attempts: readonly AttemptGroup[]) => Promise<Found> = killPass,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Resolves when nothing of it runs any more, or after `boundMs` with what is left; then it goes on trying. */
  end(attempt: AttemptGroup, boundMs: number): Promise<Reaped> {
    return new Promise((resolve) => {
      let setGone: () => void = () => undefined
      const gone = new Promise<void>((done) => (setGone = done))
      this.entries.set(attempt.key, { attempt, reportBy: this.now() + boundMs, resolve, gone, setGone, ended: null, isReported: false })
      this.pauseMs = FIRST_PAUSE_MS
      this.wake()
      if (!this.isRunning) void this.run()
    })
  }

  private async run(): Promise<void> {
    this.isRunning = true
    while (this.entries.size > 0) {
      await this.round()
      if (this.entries.size > 0) await this.pause()
    }
    this.isRunning = false
  }

  private async round(): Promise<void> {
    const entries = [...this.entries.values()]
    try {
      const found = await this.look(entries.map(({ attempt }) => attempt))
      for (const entry of entries) this.judge(entry, found.get(entry.attempt.key) ?? [])
    } catch (error) {
      // No descriptor left, say. What was not looked at counts as running.
      this.log?.warn({ err: error }, 'the processes of attempts that ended cannot be looked for; trying again')
      for (const entry of entries) if (this.now() >= entry.reportBy) this.report(entry, 'it could not be found out which')
    }
  }

  private judge(entry: Entry, processes: NonNullable<ReturnType<Found['get']>>): void {
    const { attempt } = entry
    if (processes.length === 0) {
      forget(attempt)
      this.entries.delete(attempt.key)
      entry.setGone()
      this.report(entry, null)
      return
    }
    entry.ended ??= describeProcesses(processes)
    if (this.now() < entry.reportBy || entry.isReported) return
    const left = describeProcesses(processes)
    this.log?.warn({ attempt: attempt.key, processes: left }, 'processes of an attempt that ended cannot be killed; still trying')
    this.report(entry, left)
  }

  private report(entry: Entry, left: string | null): void {
    if (entry.isReported) return
    entry.isReported = true
    entry.resolve({ ended: entry.ended, left, gone: entry.gone })
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.wake = () => undefined
        resolve()
      }
      const timer = setTimeout(end, this.pauseMs)
      this.wake = end
      this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS)
    })
  }
}
