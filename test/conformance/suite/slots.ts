import { describe, expect, test } from 'vitest'
import { shell, useBench } from '../bench.js'
import type { Adapter } from '../worker-under-test.js'

/** Slots, draining and stopping. */
export function slots(adapter: Adapter): void {
  describe('keeps to its slots', () => {
    const use = useBench(adapter, { slots: 1 })

    test.sequential('refuses what it has no slot for, and runs an attempt once that it is given twice', async () => {
      const bench = use()
      const { wait, open } = bench.gate()
      const job = shell(`echo once; ${wait}`)
      expect(await bench.server.run(job)).toEqual(['accepted'])
      expect(await bench.server.run(job, shell('true'))).toEqual(['accepted', 'refused'])
      open()
      expect(await bench.server.sealed(job)).toEqual(['once'])
      await bench.server.heartbeat('free again', ({ freeSlots }) => freeSlots === 1)
      expect(await bench.server.run(job)).toEqual(['accepted'])
      await bench.server.heartbeat('nothing runs', ({ freeSlots, attempts }) => freeSlots === 1 && attempts.length === 0)
      expect(bench.server.ends).toHaveLength(1)
    })

    test.sequential('drains on demand, and takes work again afterwards', async () => {
      const bench = use()
      const { wait, open } = bench.gate()
      const job = shell(wait)
      await bench.server.run(job)
      bench.server.isDrainWanted = true
      await bench.server.emit('config', { drain: true })
      await bench.server.heartbeat('draining', ({ isDraining }) => isDraining)
      expect(await bench.server.run(shell('true'))).toEqual(['refused'])
      open()
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      bench.server.isDrainWanted = false
      await bench.server.heartbeat('not draining', ({ isDraining, freeSlots }) => !isDraining && freeSlots === 1)
      const next = shell('true')
      expect(await bench.server.run(next)).toEqual(['accepted'])
      await bench.server.heartbeat('free again', ({ freeSlots, attempts }) => freeSlots === 1 && attempts.length === 0)
    })

    test.sequential('at SIGTERM lets what runs finish, delivers everything and exits with status 0', async () => {
      const bench = use()
      const { wait, open } = bench.gate()
      const job = shell(`echo before; ${wait}; echo after`)
      await bench.server.run(job)
      await bench.stored(job, 1)
      const exit = bench.worker.stop()
      await bench.server.heartbeat('draining', ({ isDraining }) => isDraining)
      expect(await bench.server.run(shell('true'))).toEqual(['refused'])
      open()
      expect(await exit).toBe(0)
      expect(bench.server.endOf(job)).toMatchObject({ status: 'SUCCEEDED' })
      expect(await bench.server.sealed(job)).toEqual(['before', 'after'])
    })
  })

  describe('short of time', () => {
    const use = useBench(adapter, { args: ['--drain-timeout', '200'] })

    test('at SIGTERM ends what does not finish in time as FAILED', async () => {
      const bench = use()
      const job = shell('echo before; sleep 300')
      await bench.server.run(job)
      await bench.stored(job, 1)
      expect(await bench.worker.stop()).toBe(0)
      expect(bench.server.endOf(job)).toMatchObject({ status: 'FAILED' })
      await bench.server.sealed(job)
    })
  })
}
