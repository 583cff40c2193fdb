import { describe, expect, test } from 'vitest'
import { type Bench, shell } from '../bench.js'

/** Slots, draining, stopping, and messages of later versions. */
export function slots(bench: Bench): void {
  describe('keeps to its slots', () => {
    test('refuses what it has no slot for, and runs what it is given twice only once', async () => {
      await bench.begin({ slots: 1 })
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

    test('drains on demand and is taken back', async () => {
      await bench.begin()
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
      await bench.server.heartbeat('not draining', ({ isDraining }) => !isDraining)
      expect(await bench.server.run(shell('true'))).toEqual(['accepted'])
    })

    test('at SIGTERM lets what runs finish, delivers everything and ends with status 0', async () => {
      await bench.begin()
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

    test('at SIGTERM stops what does not finish in time: a failure, which may be retried', async () => {
      await bench.begin({ args: ['--drain-timeout', '200'] })
      const job = shell('echo before; sleep 300')
      await bench.server.run(job)
      await bench.stored(job, 1)
      expect(await bench.worker.stop()).toBe(0)
      expect(bench.server.endOf(job)).toMatchObject({ status: 'FAILED' })
      await bench.server.sealed(job)
    })
  })

  describe('understands later versions', () => {
    test('answers unknown events, and ignores unknown members', async () => {
      await bench.begin()
      expect(await bench.server.emit('newfangled', { a: 1 })).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
      expect(await bench.server.emit('cancel', { attempts: 'nonsense' })).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
      const job = { ...shell('echo fine'), later: { nested: [1] } }
      expect(await bench.server.run(job)).toEqual(['accepted'])
      expect(await bench.server.sealed(job)).toEqual(['fine'])
    })
  })
}
