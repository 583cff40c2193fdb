import { waitFor } from '@jobtrail/deploy/wait'
import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { describe, expect, test } from 'vitest'
import { type Bench, isRunning, shell, WAIT } from '../bench.js'

/** How attempts are ended: cancelled, timed out, fenced, out of their lease. */
export function ending(bench: Bench): void {
  describe('ends an attempt', () => {
    const stubborn = `trap '' TERM; setsid sh -c 'trap "" TERM; sleep 300' & echo ready; while :; do sleep 0.05; done`

    test('that is cancelled: asks it first, then kills it with everything that it started', async () => {
      await bench.begin()
      const polite = shell(`trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done`, { killGraceMs: 10_000 })
      const job = shell(stubborn, { killGraceMs: 300 })
      await bench.server.run(polite, job)
      await Promise.all([bench.stored(polite, 1), bench.stored(job, 1)])
      await bench.server.emit('cancel', { attempts: [polite, job] })
      expect(await bench.server.end(polite)).toMatchObject({ status: 'CANCELLED' })
      const texts = await bench.server.sealed(polite)
      // Shells say which of their children were terminated.
      expect([texts[0], texts.at(-1)]).toEqual(['ready', 'bye'])
      expect(await bench.server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect(isRunning(job)).toBe(false)
      await bench.server.sealed(job)
    })

    test('that a heartbeat says is cancelled', async () => {
      await bench.begin()
      const job = shell('echo ready; sleep 300')
      await bench.server.run(job)
      await bench.stored(job, 1)
      bench.server.cancelled = [job]
      expect(await bench.server.end(job)).toMatchObject({ status: 'CANCELLED' })
    })

    test('that is cancelled before it has started', async () => {
      await bench.begin()
      const job = shell('echo ready; sleep 300')
      const [results] = await Promise.all([bench.server.run(job), bench.server.emit('cancel', { attempts: [job] })])
      expect(results).toEqual(['accepted'])
      expect(await bench.server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect(isRunning(job)).toBe(false)
    })

    test('whose time is over', async () => {
      await bench.begin()
      const job = shell(stubborn, { timeoutMs: 400, killGraceMs: 200 })
      await bench.server.run(job)
      expect(await bench.server.end(job)).toMatchObject({ status: 'TIMED_OUT' })
      expect(isRunning(job)).toBe(false)
    })

    test('that was fenced, at once and without telling its end; its log is delivered', async () => {
      await bench.begin()
      const job = shell(stubborn, { killGraceMs: 60_000 })
      await bench.server.run(job)
      await bench.stored(job, 1)
      await bench.server.emit('fenced', { attempts: [job] })
      await waitFor(() => !isRunning(job), { ...WAIT, what: 'its processes to be gone' })
      expect((await bench.server.sealed(job))[0]).toBe('ready')
      expect(bench.server.endOf(job)).toBeUndefined()
    })

    test('that hello or the answer to its start says is not its own any more', async () => {
      await bench.begin()
      const [refused, stopped] = [shell('sleep 300'), shell('echo ready; sleep 300')]
      bench.server.fenced.add(attemptKeyString(refused))
      await bench.server.run(refused, stopped)
      await bench.stored(stopped, 1)
      bench.server.stop = [stopped]
      bench.server.cut()
      await bench.server.hello(2)
      await waitFor(() => !isRunning(refused) && !isRunning(stopped), { ...WAIT, what: 'their processes to be gone' })
      await bench.server.sealed(stopped)
      expect(bench.server.ends).toEqual([])
    })

    test('when its lease runs out, says that it gave it up, and takes new work afterwards', async () => {
      await bench.begin({ leaseMs: 1_500 })
      const job = shell(stubborn)
      await bench.server.run(job)
      await bench.stored(job, 1)
      bench.server.isDeaf = true
      bench.server.cut()
      const since = performance.now()
      await waitFor(() => !isRunning(job), { ...WAIT, what: 'its processes to be gone' })
      expect(performance.now() - since).toBeLessThan(1_500)
      bench.server.isDeaf = false
      expect((await bench.server.hello(2)).givenUp).toEqual([expect.objectContaining({ instanceId: job.instanceId })])
      await bench.server.sealed(job)
      expect(bench.server.endOf(job)).toBeUndefined()
      const next = shell('echo again')
      expect(await bench.server.run(next)).toEqual(['accepted'])
      expect(await bench.server.sealed(next)).toEqual(['again'])
    })

    test('when it is frozen beyond its lease, or dies: nothing of it runs on', async () => {
      await bench.begin({ leaseMs: 1_500 })
      const [frozen, orphaned] = [shell(stubborn), shell(stubborn)]
      await bench.server.run(frozen)
      await bench.stored(frozen, 1)
      bench.worker.signal('SIGSTOP')
      await waitFor(() => !isRunning(frozen), { ...WAIT, what: 'the processes of a frozen worker to be gone' })
      const given = bench.server.heartbeat('with what it gave up', ({ givenUp = [] }) => givenUp.some(({ instanceId }) => instanceId === frozen.instanceId))
      bench.worker.signal('SIGCONT')
      await given
      expect(await bench.server.run(orphaned)).toEqual(['accepted'])
      await bench.stored(orphaned, 1)
      await bench.worker.kill()
      await waitFor(() => !isRunning(orphaned), { ...WAIT, what: 'the processes of a dead worker to be gone' })
    })
  })
}
