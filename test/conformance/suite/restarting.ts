import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '@jobtrail/deploy/wait'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { LineFlag } from '@jobtrail/shared/log/chunk'
import type { LogLoss } from '@jobtrail/shared/log/losses'
import type { Assignment } from '@jobtrail/shared/protocol/assignment'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Bench, count, isRunning, printLines, shell, WAIT } from '../bench.js'
import type { Adapter } from '../worker-under-test.js'

/** What a worker makes of the spool of its predecessor. One worker is killed and started again with all cases in its spool. */
export function restarting(adapter: Adapter): void {
  describe('killed and started again', () => {
    let bench: Bench
    let jobs: Record<'captured' | 'silent' | 'ended' | 'removed' | 'torn' | 'damaged', Assignment>

    const spoolFiles = (job: AttemptKey): string[] =>
      readdirSync(bench.worker.spoolDir, { recursive: true, encoding: 'utf8' })
        .map((name) => join(bench.worker.spoolDir, name))
        .filter((path) => path.includes(job.instanceId) && statSync(path).isFile())
    /** Where the worker keeps the chunks of an attempt: in the largest of its files, whatever they are called. */
    const spoolFile = (job: AttemptKey): string =>
      spoolFiles(job).toSorted((a, b) => statSync(b).size - statSync(a).size)[0] ?? expect.fail(`no spool file of ${job.instanceId}`)
    const lossesOf = (job: AttemptKey): readonly LogLoss[] => bench.server.logs.sealed.get(attemptKeyString(job))?.losses ?? []

    beforeAll(async () => {
      bench = new Bench(adapter)
      await bench.begin({ slots: 8 })
      const { server } = bench
      server.judge = () => 'busy'
      server.script('finished', () => 'silent')
      const endless = (lines: number): Assignment => shell(`${printLines(lines)}; sleep 300`)
      const { reach, reached } = bench.milestone()
      jobs = {
        ...{ captured: endless(1_500), silent: shell(`${reach}; sleep 300`), ended: shell('echo whole') },
        ...{ removed: endless(10), torn: endless(3_000), damaged: endless(3_000) },
      }
      await server.run(...Object.values(jobs))
      await reached()
      const lines = { captured: 1_500, ended: 1, removed: 10, torn: 3_000, damaged: 3_000 } as const
      for (const [name, expected] of Object.entries(lines))
        await waitFor(() => server.logs.sentLines(jobs[name as keyof typeof lines]) === expected, { ...WAIT, what: `the lines of ${name} to be sent` })
      await waitFor(() => server.scripted('finished') > 0, { ...WAIT, what: 'an end to be sent' })
      await bench.kill()
      server.removed.add(attemptKeyString(jobs.removed))
      for (const job of [jobs.torn, jobs.damaged]) server.logs.forgetSent(job)
      const torn = spoolFile(jobs.torn)
      truncateSync(torn, statSync(torn).size - 5)
      const damaged = spoolFile(jobs.damaged)
      const bytes = readFileSync(damaged)
      const at = Math.floor(bytes.length * 0.6)
      writeFileSync(damaged, bytes.fill(0x2a, at, at + 64))
      server.judge = () => undefined
      server.script('finished', () => undefined)
      bench.worker.restart()
      await server.hello(2)
    })
    afterAll(() => bench.end())

    test('kills what its predecessor left running, and lists only the attempts whose end it has; the logs of all are announced', async () => {
      for (const job of Object.values(jobs)) expect(isRunning(job)).toBe(false)
      const { attempts, spooled = [] } = await bench.server.hello(2)
      expect(attempts.map(({ instanceId }) => instanceId)).toEqual([jobs.ended.instanceId])
      const announced = spooled.map(({ instanceId }) => instanceId)
      expect(announced).toEqual(expect.arrayContaining([jobs.captured, jobs.ended, jobs.torn, jobs.damaged].map(({ instanceId }) => instanceId)))
    })

    test('delivers what its predecessor had captured, with a marker and a loss at its death', async () => {
      const texts = await bench.server.sealed(jobs.captured)
      expect(texts.slice(0, -1)).toEqual(count(1_500))
      expect(texts.at(-1)).toContain('the worker died here')
      expect(bench.server.logs.lines(jobs.captured).at(-1)?.flags).toBe(LineFlag.MARKER)
      expect(lossesOf(jobs.captured)).toEqual([{ reason: 'worker-died', at: 1_500, lines: null, bytes: null }])
      expect(bench.server.endOf(jobs.captured)).toBeUndefined()
    })

    test('ends the log of an attempt that had printed nothing yet', async () => {
      expect(await bench.server.sealed(jobs.silent)).toEqual([expect.stringContaining('the worker died here')])
      expect(lossesOf(jobs.silent)).toEqual([{ reason: 'worker-died', at: 0, lines: null, bytes: null }])
    })

    test('delivers an end and a log that had not been acknowledged', async () => {
      expect(await bench.server.end(jobs.ended)).toMatchObject({ status: 'SUCCEEDED', log: { lines: 1, losses: [] } })
      expect(await bench.server.sealed(jobs.ended)).toEqual(['whole'])
    })

    test('drops the log of an attempt that the server no longer knows', async () => {
      await waitFor(() => spoolFiles(jobs.removed).length === 0, { ...WAIT, what: 'its spool file to be gone' })
      expect(bench.server.logs.chunks(jobs.removed)).toEqual([])
    })

    test('goes on where the last record is torn', async () => {
      const texts = await bench.server.sealed(jobs.torn)
      expect(texts.slice(0, -1)).toEqual(count(texts.length - 1))
      expect(texts.length).toBeGreaterThan(1_000)
      expect(texts.at(-1)).toContain('the worker died here')
    })

    test('puts a marker in the place of what a damaged disk has lost, and delivers what is behind it', async () => {
      const texts = await bench.server.sealed(jobs.damaged)
      const [damaged, ...others] = lossesOf(jobs.damaged)
      if (damaged === undefined || damaged.lines === null) throw new Error('it does not say how many lines are lost')
      expect([damaged.reason, ...others.map(({ reason }) => reason)]).toEqual(['damaged', 'worker-died'])
      expect(texts.slice(0, damaged.at)).toEqual(count(damaged.at))
      expect(texts[damaged.at]).toContain('damaged')
      expect(texts.slice(damaged.at + 1, -1)).toEqual(count(3_000).slice(damaged.at + damaged.lines))
    })
  })
}
