import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '@jobtrail/deploy/wait'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { LineFlag } from '@jobtrail/shared/log/chunk'
import { type Assignment } from '@jobtrail/shared/protocol/worker'
import { describe, expect, test } from 'vitest'
import { type Bench, count, isRunning, shell, WAIT } from '../bench.js'

/** What a worker makes of the spool of its predecessor. */
export function restarting(bench: Bench): void {
  describe('killed and started again', () => {
    /** Where the worker keeps the chunks of an attempt: in the largest of its files, whatever they are called. */
    const spoolFile = (job: AttemptKey): string => {
      const [largest] = readdirSync(bench.worker.spoolDir, { recursive: true, encoding: 'utf8' })
        .map((name) => join(bench.worker.spoolDir, name))
        .filter((path) => path.includes(job.instanceId) && statSync(path).isFile())
        .toSorted((a, b) => statSync(b).size - statSync(a).size)
      return largest ?? expect.fail('no spool file')
    }

    /** Prints lines that no server takes, then the worker is killed. */
    async function printedAndKilled(lines: number): Promise<Assignment> {
      await bench.begin()
      bench.server.judge = () => 'busy'
      const job = shell(`i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i + 1)); done; touch ${bench.dir}/printed; sleep 300`)
      await bench.server.run(job)
      await bench.reached(join(bench.dir, 'printed'))
      // Chunks close after 100 ms.
      await sleep(300)
      await bench.worker.kill()
      bench.server.judge = () => undefined
      return job
    }

    test('delivers what its predecessor had captured, says that it died, and no longer lists its attempt', async () => {
      const job = await printedAndKilled(1_500)
      bench.worker.restart()
      const hello = await bench.server.hello(2)
      expect(isRunning(job)).toBe(false)
      expect(hello.attempts).toEqual([])
      expect(hello.spooled).toEqual([expect.objectContaining({ instanceId: job.instanceId, attempt: 1 })])
      const texts = await bench.server.sealed(job)
      expect(texts.slice(0, -1)).toEqual(count(1_500))
      expect(texts.at(-1)).toContain('the worker died here')
      expect(bench.server.logs.lines(job).at(-1)?.flags).toBe(LineFlag.MARKER)
      expect(bench.server.logs.sealed.get(attemptKeyString(job))?.losses).toEqual([{ reason: 'worker-died', at: 1_500, lines: null, bytes: null }])
      expect(bench.server.endOf(job)).toBeUndefined()
    })

    test('ends the log of an attempt that had printed nothing yet', async () => {
      await bench.begin()
      const job = shell(`touch ${bench.dir}/begun; sleep 300`)
      await bench.server.run(job)
      await bench.reached(join(bench.dir, 'begun'))
      await bench.worker.kill()
      bench.worker.restart()
      expect(await bench.server.sealed(job)).toEqual([expect.stringContaining('the worker died here')])
      expect(bench.server.logs.sealed.get(attemptKeyString(job))?.losses).toEqual([{ reason: 'worker-died', at: 0, lines: null, bytes: null }])
      expect(isRunning(job)).toBe(false)
    })

    test('delivers an end and a log that had not been acknowledged', async () => {
      await bench.begin()
      bench.server.script('finished', () => 'silent')
      bench.server.judge = () => 'busy'
      const job = shell('echo whole')
      await bench.server.run(job)
      await waitFor(() => readdirSync(bench.worker.spoolDir, { recursive: true }).length > 0 && !isRunning(job), { ...WAIT, what: 'its end' })
      await sleep(500)
      await bench.worker.kill()
      bench.server.script('finished', () => undefined)
      bench.server.judge = () => undefined
      bench.worker.restart()
      expect((await bench.server.hello(2)).attempts).toEqual([expect.objectContaining({ instanceId: job.instanceId })])
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED', log: { lines: 1, losses: [] } })
      expect(await bench.server.sealed(job)).toEqual(['whole'])
    })

    test('drops what the server has sealed meanwhile, or no longer knows', async () => {
      const job = await printedAndKilled(10)
      bench.server.script('resume', () => ({ value: { results: [{ state: 'unknown', ranges: [] }] } }))
      bench.worker.restart()
      await bench.server.hello(2)
      await waitFor(() => !existsSpooled(job), { ...WAIT, what: 'its spool to be empty' })
      expect(bench.server.logs.chunks(job)).toEqual([])
      function existsSpooled({ instanceId }: AttemptKey): boolean {
        return readdirSync(bench.worker.spoolDir, { recursive: true, encoding: 'utf8' }).some((name) => name.includes(instanceId))
      }
    })

    test('goes on where the last record is torn', async () => {
      const job = await printedAndKilled(3_000)
      bench.server.logs.forgetSent()
      const file = spoolFile(job)
      truncateSync(file, statSync(file).size - 5)
      bench.worker.restart()
      const texts = await bench.server.sealed(job)
      expect(texts.slice(0, -1)).toEqual(count(texts.length - 1))
      expect(texts.length).toBeGreaterThan(1_000)
      expect(texts.at(-1)).toContain('the worker died here')
    })

    test('puts a marker in the place of what a damaged disk has lost, and delivers what is behind it', async () => {
      const job = await printedAndKilled(3_000)
      bench.server.logs.forgetSent()
      const file = spoolFile(job)
      const bytes = readFileSync(file)
      const at = Math.floor(bytes.length * 0.6)
      bytes.fill(0x2a, at, at + 64)
      writeFileSync(file, bytes)
      bench.worker.restart()
      const texts = await bench.server.sealed(job)
      const losses = bench.server.logs.sealed.get(attemptKeyString(job))?.losses ?? []
      expect(losses.map(({ reason }) => reason)).toContain('damaged')
      const [damaged] = losses
      expect(texts.slice(0, damaged?.at)).toEqual(count(damaged?.at ?? 0))
      expect(texts[damaged?.at ?? 0]).toContain('damaged')
      const lost = damaged?.lines ?? expect.fail('nobody knows how many')
      expect(texts.slice((damaged?.at ?? 0) + 1, -1)).toEqual(count(3_000).slice((damaged?.at ?? 0) + lost))
    })
  })
}
