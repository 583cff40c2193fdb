import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { describe, expect, test } from 'vitest'
import { type Bench, isRunning, shell, useBench } from '../bench.js'
import type { Adapter } from '../worker-under-test.js'

const stubborn = `trap '' TERM; setsid sh -c 'trap "" TERM; sleep 300' & echo ready; while :; do sleep 0.05; done`

/** How attempts are ended: cancelled, timed out, fenced, out of their lease. */
export function ending(adapter: Adapter, shared: () => Bench): void {
  describe('ends an attempt', () => {
    test('that is cancelled: SIGTERM first, SIGKILL to it and all its processes later', async () => {
      const bench = shared()
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

    test('that is cancelled in the answer to a heartbeat', async () => {
      const bench = shared()
      const job = shell('echo ready; sleep 300')
      await bench.server.run(job)
      await bench.stored(job, 1)
      bench.server.cancelled.push(job)
      expect(await bench.server.end(job)).toMatchObject({ status: 'CANCELLED' })
    })

    test('that is cancelled before it has started', async () => {
      const bench = shared()
      const job = shell('echo ready; sleep 300')
      const [results] = await Promise.all([bench.server.run(job), bench.server.emit('cancel', { attempts: [job] })])
      expect(results).toEqual(['accepted'])
      expect(await bench.server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect(isRunning(job)).toBe(false)
    })

    test('that runs out of time', async () => {
      const bench = shared()
      const job = shell(stubborn, { timeoutMs: 400, killGraceMs: 200 })
      await bench.server.run(job)
      expect(await bench.server.end(job)).toMatchObject({ status: 'TIMED_OUT' })
      expect(isRunning(job)).toBe(false)
    })

    test('that is fenced: at once, without reporting an end; its log is delivered', async () => {
      const bench = shared()
      const job = shell(stubborn, { killGraceMs: 60_000 })
      await bench.server.run(job)
      await bench.stored(job, 1)
      await bench.server.fence(job)
      await bench.gone(job)
      expect((await bench.server.sealed(job))[0]).toBe('ready')
      expect(bench.server.endOf(job)).toBeUndefined()
    })
  })

  describe('when it connects again, ends an attempt', () => {
    const bench = useBench(adapter)

    test('that is no longer its own by the answer to hello or started', async () => {
      const { server } = bench()
      const [refused, stopped] = [shell('sleep 300'), shell('echo ready; sleep 300')]
      server.fenced.add(attemptKeyString(refused))
      await server.run(refused, stopped)
      await bench().stored(stopped, 1)
      server.stop = [stopped]
      server.cut()
      await server.hello(2)
      await bench().gone(refused, stopped)
      await server.sealed(stopped)
      expect(server.ends).toEqual([])
    })
  })

  describe('with a short lease, ends an attempt', () => {
    const short = useBench(adapter, { leaseMs: 1_500 })

    test.sequential('when the lease runs out, reports it as given up, and takes new work afterwards', async () => {
      const bench = short()
      const job = shell(stubborn)
      await bench.server.run(job)
      await bench.stored(job, 1)
      bench.server.isDeaf = true
      bench.server.cut()
      await bench.gone(job)
      bench.server.isDeaf = false
      await bench.server.givenUp(job)
      await bench.server.sealed(job)
      expect(bench.server.endOf(job)).toBeUndefined()
      const next = shell('echo again')
      expect(await bench.server.run(next)).toEqual(['accepted'])
      expect(await bench.server.sealed(next)).toEqual(['again'])
    })

    test.sequential('when the worker is frozen beyond the lease, or dies: none of its processes is left', async () => {
      const bench = short()
      const [frozen, orphaned] = [shell(stubborn), shell(stubborn)]
      await bench.server.run(frozen)
      await bench.stored(frozen, 1)
      bench.worker.signal('SIGSTOP')
      await bench.gone(frozen)
      bench.worker.signal('SIGCONT')
      await bench.server.givenUp(frozen)
      // The heartbeat that gives it up renews the lease only when it is answered.
      await bench.server.heartbeat('after the answer', ({ givenUp = [] }) => givenUp.length === 0)
      expect(await bench.server.run(orphaned)).toEqual(['accepted'])
      await bench.stored(orphaned, 1)
      await bench.kill()
      await bench.gone(orphaned)
    })
  })
}
