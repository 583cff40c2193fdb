import { renameSync, writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** What `test/run.mjs` reads after vitest has ended, or has been ended. */
export interface Counts {
  passed: number
  failed: number
  skipped: number
  /** Files that have begun and not ended: the suspects when time is up. */
  running: string[]
  /** What failed and why, in a line each. */
  failures: string[]
  /** How long each file took, its set-up included. */
  durations: { file: string; ms: number }[]
  /** Whether vitest came to its end; without it the counts are those of a crash. */
  complete: boolean
}

/** Keeps the counts in a file all the time, so that they are right even when vitest crashes or hangs. */
export default class CountReporter implements Reporter {
  private readonly counts: Counts = { passed: 0, failed: 0, skipped: 0, running: [], failures: [], durations: [], complete: false }
  private readonly failedByModule = new Map<string, number>()

  onInit(): void {
    this.save()
  }

  onTestModuleStart(module: TestModule): void {
    this.counts.running.push(module.relativeModuleId)
    this.save()
  }

  onTestCaseResult(test: TestCase): void {
    const { state } = test.result()
    if (state === 'passed') this.counts.passed++
    else if (state === 'failed') {
      this.counts.failed++
      const { id } = test.module
      this.note(`${test.module.relativeModuleId} > ${test.fullName}`, test.result().errors?.[0])
      this.failedByModule.set(id, (this.failedByModule.get(id) ?? 0) + 1)
    } else this.counts.skipped++
    this.save()
  }

  onTestModuleEnd(module: TestModule): void {
    this.counts.running = this.counts.running.filter((name) => name !== module.relativeModuleId)
    this.counts.durations.push({ file: module.relativeModuleId, ms: Math.round(module.diagnostic().duration) })
    // A file that does not load, or whose set-up fails, has failed without a failed test.
    if (module.state() === 'failed' && !this.failedByModule.has(module.id)) {
      this.counts.failed++
      this.note(module.relativeModuleId, module.errors()[0])
    }
    this.save()
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    // An error outside of any test, such as an unhandled rejection.
    this.counts.failed += unhandledErrors.length
    for (const error of unhandledErrors) this.note('outside of any test', error)
    this.counts.complete = true
    this.save()
  }

  private note(where: string, error: unknown): void {
    const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
    this.counts.failures.push(`${where}: ${message.replaceAll(/\s+/g, ' ').slice(0, 300)}`)
  }

  private save(): void {
    const file = process.env['JOBTRAIL_TEST_COUNTS']
    if (file === undefined) return
    writeFileSync(`${file}.draft`, JSON.stringify(this.counts))
    renameSync(`${file}.draft`, file)
  }
}
