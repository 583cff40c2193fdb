import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import type { AttemptEnd } from '@jobtrail/protocol/wire/worker'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Attempt } from './attempt.js'
import { type Execution, type Outcome, type RunContext, unreadable } from './run/runner.js'
import { MemoryStream, sampleAssignment, silentLog } from './testing/samples.js'

const success: Outcome = { isSuccess: true, exitCode: 0, signal: null, error: null, result: { n: 1 } }

/** A runner that ends when it is told to. */
class ManualExecution implements Execution {
  readonly calls: string[] = []
  finish: (outcome: Outcome) => void = () => undefined
  readonly done = new Promise<Outcome>((resolve) => (this.finish = resolve))
  readonly released = this.done.then(() => undefined)
  isOver = false
  stop(reason: string): boolean {
    this.calls.push(`stop: ${reason}`)
    return !this.isOver
  }
  kill(reason: string): void {
    this.calls.push(`kill: ${reason}`)
  }
}

describe('attempt', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000 }))
  afterEach(() => void vi.useRealTimers())

  function prepare(changes: Partial<Assignment> = {}, start?: (context: RunContext) => Execution) {
    const ends: AttemptEnd[] = []
    const messages: (string | null)[] = []
    const faults: unknown[] = []
    const execution = new ManualExecution()
    const runner = {
      start: (context: RunContext): Execution => {
        if (start !== undefined) return start(context)
        context.onStarted()
        return execution
      },
    }
    const checks = { onCheck: () => undefined as void }
    const attempt = new Attempt(sampleAssignment(changes), {
      pipeline: { openStream: () => new MemoryStream() },
      reports: { addStarted: () => undefined, addProgress: ({ message }) => void messages.push(message), addEnd: (end) => void ends.push(end) },
      runners: { shell: runner, handler: runner, unreadable },
      log: silentLog,
      checkLease: () => checks.onCheck(),
      onFault: (error) => void faults.push(error),
    })
    return { attempt, execution, ends, messages, faults, checks, run: () => attempt.run() }
  }
  function setUp(...given: Parameters<typeof prepare>) {
    const prepared = prepare(...given)
    return { ...prepared, run: prepared.run() }
  }
  const settle = () => vi.advanceTimersByTimeAsync(0)

  it('tells its end with times and result', async () => {
    const { execution, ends, run } = setUp()
    await vi.advanceTimersByTimeAsync(500)
    execution.finish(success)
    await run
    expect(ends).toMatchObject([{ status: 'SUCCEEDED', startedAt: 1_000, finishedAt: 1_500, exitCode: 0, result: { n: 1 }, error: null }])
  })

  it('shows no secret in result, error or progress, nor a part of one where a text is cut', async () => {
    const secrets = { TOKEN: 'correct-horse', PIN: '12345678' }
    const start = (context: RunContext): Execution => {
      context.onProgress(1, `${'x'.repeat(995)}correct-horse`)
      const execution = new ManualExecution()
      execution.finish({ ...success, result: { 'correct-horse': ['a correct-horse b', 12345678, 1.5] } })
      return execution
    }
    const done = prepare({ secrets }, start)
    await done.run()
    expect(done.messages).toEqual([`${'x'.repeat(995)}***`])
    expect(done.ends[0]?.result).toEqual({ '***': ['a *** b', '***', 1.5] })
    const failed = setUp({ secrets })
    failed.execution.finish({ ...success, isSuccess: false, error: `${'x'.repeat(8_185)}correct-horse` })
    await failed.run
    expect(failed.ends[0]?.error).toBe(`${'x'.repeat(8_185)}***`)
  })

  it('says of what could never start that no further attempt is to be made, and does not take it for a fault of the worker', async () => {
    const failWith = (error: Error) => () => {
      throw error
    }
    const tooLarge = prepare({}, failWith(Object.assign(new Error('spawn E2BIG'), { code: 'E2BIG' })))
    await tooLarge.run()
    expect(tooLarge.ends).toMatchObject([{ status: 'FAILED', isFinal: true, error: expect.stringContaining('larger than a process may have') }])
    const noMemory = prepare({}, failWith(Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' })))
    await noMemory.run()
    expect(noMemory.ends[0]).not.toHaveProperty('isFinal')
    expect([tooLarge.faults, noMemory.faults]).toMatchObject([[], [{ code: 'ENOMEM' }]])
  })

  it('has failed, and says why, where its processor is of a kind that this worker does not know; a newer worker may run the next', async () => {
    const { ends, run } = prepare({ processor: { kind: 'unreadable', problem: 'processor.kind: Invalid input' } })
    await run()
    expect(ends).toMatchObject([{ status: 'FAILED', startedAt: null, error: 'This worker cannot run it: processor.kind: Invalid input' }])
    expect(ends[0]).not.toHaveProperty('isFinal')
  })

  it('names what could not be ended first, so that a long error does not cut it off', async () => {
    const { execution, ends, run } = setUp()
    execution.finish({ ...success, isSuccess: false, error: 'x'.repeat(10_000), killProblem: 'dd (7)' })
    await run
    const [end] = ends
    expect(end).toMatchObject({
      status: 'FAILED',
      killProblem: 'dd (7)',
      error: expect.stringMatching(/^Some of its processes could not be ended and still run: dd \(7\)\. x/),
    })
    expect(end?.error).toHaveLength(8_192)
  })

  it('is stopped by its time-out, and ends so whatever the process then returns', async () => {
    const { execution, ends, run } = setUp({ timeoutMs: 250 })
    await vi.advanceTimersByTimeAsync(250)
    expect(execution.calls).toEqual(['stop: Timed out after 250 ms'])
    execution.finish(success)
    await run
    expect(ends).toMatchObject([{ status: 'TIMED_OUT', error: 'Timed out after 250 ms', result: null }])
  })

  it('takes a time-out beyond what a timer holds', async () => {
    const { execution } = setUp({ timeoutMs: 30 * 86_400_000 })
    await vi.advanceTimersByTimeAsync(29 * 86_400_000)
    expect(execution.calls).toEqual([])
    await vi.advanceTimersByTimeAsync(86_400_000)
    expect(execution.calls).toEqual([`stop: Timed out after ${30 * 86_400_000} ms`])
  })

  it('keeps its own end when the stop came after it', async () => {
    const { attempt, execution, ends, run } = setUp()
    await settle()
    execution.isOver = true
    attempt.stop('cancelled')
    execution.finish(success)
    await run
    expect(ends).toMatchObject([{ status: 'SUCCEEDED' }])
  })

  it('is retried when the worker stopped it, but not when a user did', async () => {
    for (const [reason, status] of [
      ['worker-stopped', 'FAILED'],
      ['cancelled', 'CANCELLED'],
    ] as const) {
      const { attempt, execution, ends, run } = setUp()
      await settle()
      attempt.stop(reason)
      execution.finish(success)
      await run
      expect(ends).toMatchObject([{ status, result: null }])
    }
  })

  it('never starts when it was cancelled before', async () => {
    const start = vi.fn<(context: RunContext) => Execution>()
    const { attempt, ends, run } = prepare({}, start)
    attempt.stop('cancelled')
    await run()
    expect(start).not.toHaveBeenCalled()
    expect(ends).toMatchObject([{ status: 'CANCELLED', startedAt: null }])
  })

  it('tells no end once it is fenced, also when the lease is found to be over only at its end', async () => {
    const first = setUp()
    await settle()
    first.attempt.fence('given away')
    expect(first.execution.calls).toEqual(['kill: given away'])
    first.execution.finish(success)
    await first.run
    const second = setUp()
    await settle()
    second.checks.onCheck = () => second.attempt.fence('the lease has run out')
    second.execution.finish(success)
    await second.run
    expect([...first.ends, ...second.ends]).toEqual([])
  })

  it('fails with the reason when it cannot be started', async () => {
    const { ends, run } = setUp({}, () => {
      throw new Error('No handler "x"', { cause: new Error('why') })
    })
    await run
    expect(ends).toMatchObject([{ status: 'FAILED', startedAt: null, error: 'No handler "x": why' }])
  })
})
