import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import type { Assignment } from '@jobtrail/shared/protocol/assignment'
import type { ReceivedRun, RunReply } from '@jobtrail/shared/protocol/worker'
import type { Logger } from 'pino'
import { Attempt, type AttemptDeps, type StopReason } from './attempt.js'
import type { GivenUp } from './given-up.js'
import { RecentKeys } from './recent-keys.js'
import type { Reports } from './reports.js'
import type { Slots } from './slots.js'

export interface RunningAttemptsOptions {
  slots: Slots
  deps: AttemptDeps
  reports: Reports
  givenUp: GivenUp
  log: Logger
  /** Looks at whether there is room on the disk now; what it finds, `isOpen` knows. */
  checkSpace(): void
  /** Whether the worker may take another attempt, if it has a slot. */
  isOpen(): boolean
}

/** The attempts that the worker has taken and not yet ended, each in a slot. */
export class RunningAttempts {
  private readonly attempts = new Map<string, Attempt>()
  private readonly recent = new RecentKeys(20_000)
  private readonly waiters = new Set<() => void>()

  constructor(private readonly options: RunningAttemptsOptions) {}

  get size(): number {
    return this.attempts.size
  }

  take({ attempts }: ReceivedRun): RunReply {
    this.options.checkSpace()
    return { results: attempts.map((assignment) => (assignment === null ? this.refuseNameless() : this.accept(assignment))) }
  }

  cancel(keys: readonly AttemptKey[]): void {
    for (const key of keys) this.attempts.get(attemptKeyString(key))?.stop('cancelled')
  }

  /** They are no longer this worker's: they are killed, and nothing is told of them. */
  fence(keys: readonly AttemptKey[], reason: string): void {
    if (keys.length === 0) return
    const texts = keys.map(attemptKeyString)
    this.options.log.warn({ attempts: texts, reason }, 'fenced')
    for (const text of texts) this.attempts.get(text)?.fence(reason)
    this.options.reports.forget(texts)
  }

  fenceAll(reason: string): void {
    for (const attempt of this.attempts.values()) attempt.fence(reason)
  }

  /** Asks all to end; how long the slowest may take for it. */
  stopAll(reason: StopReason): number {
    for (const attempt of this.attempts.values()) attempt.stop(reason)
    return Math.max(0, ...[...this.attempts.values()].map((attempt) => attempt.killGraceMs))
  }

  /** Beyond its lease nothing may run: another worker may already have been given the same task. */
  loseLease(): void {
    for (const attempt of this.attempts.values()) {
      if (attempt.isFenced) continue
      this.options.log.warn({ attempt: attempt.keyText }, 'the lease has run out; killed')
      attempt.fence('the lease has run out')
      this.options.givenUp.add(attempt.key)
    }
  }

  /** What runs and is still ours, and what has ended without the servers knowing. */
  heldKeys(): AttemptKey[] {
    const held = new Map<string, AttemptKey>()
    for (const attempt of this.attempts.values()) if (!attempt.isFenced) held.set(attempt.keyText, attempt.key)
    for (const key of this.options.reports.undelivered) held.set(attemptKeyString(key), key)
    return [...held.values()]
  }

  /** True when nothing runs any more, false after `timeoutMs`. */
  idle(timeoutMs: number): Promise<boolean> {
    if (this.attempts.size === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      const end = (isIdle: boolean) => {
        clearTimeout(timer)
        this.waiters.delete(waiter)
        resolve(isIdle)
      }
      const waiter = () => end(true)
      const timer = setTimeout(() => end(false), timeoutMs)
      this.waiters.add(waiter)
    })
  }

  /** Nobody can be told how it ends. */
  private refuseNameless(): 'refused' {
    this.options.log.error('the server sent an attempt of which not even the key can be read')
    return 'refused'
  }

  private accept(assignment: Assignment): 'accepted' | 'refused' {
    const { deps, reports, slots } = this.options
    const key = attemptKeyString(assignment)
    // Told twice (the first answer was lost): it runs already, or ran.
    if (this.attempts.has(key) || this.recent.has(key) || reports.has(key)) return 'accepted'
    if (!this.options.isOpen() || !slots.tryReserve()) return 'refused'
    const attempt = new Attempt(assignment, deps)
    this.attempts.set(key, attempt)
    // The answer goes out before the work begins.
    setImmediate(() => void this.runToEnd(attempt))
    return 'accepted'
  }

  private async runToEnd(attempt: Attempt): Promise<void> {
    try {
      await attempt.run()
    } catch (error) {
      this.options.log.error({ err: error, attempt: attempt.keyText }, 'an attempt broke inside the worker')
      this.options.givenUp.add(attempt.key)
    } finally {
      this.recent.add(attempt.keyText)
      this.attempts.delete(attempt.keyText)
      if (this.attempts.size === 0) for (const waiter of [...this.waiters]) waiter()
    }
    await attempt.released
    this.options.slots.release()
  }
}
