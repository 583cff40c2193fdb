import { waitFor } from '@jobtrail/deploy/wait'
import { describe, expect, test } from 'vitest'
import { shell, useBench, WAIT } from '../bench.js'
import type { Adapter } from '../worker-under-test.js'

/** What a worker says of itself. */
export function greeting(adapter: Adapter): void {
  describe('greets', () => {
    const use = useBench(adapter, { slots: 3 })

    test.sequential('with who it is, and lists what it runs in heartbeats', async () => {
      const bench = use()
      expect(await bench.server.hello()).toMatchObject({
        ...{ protocol: 2, name: 'under-test', group: 'default', tags: ['one', 'two'], slots: 3, attempts: [] },
        ...{ handlers: expect.arrayContaining(['echo', 'failing', 'untilCancelled', 'telling']), incarnation: expect.any(String), sentAt: expect.any(Number) },
      })
      const { wait, open } = bench.gate()
      const job = shell(wait)
      expect(await bench.server.run(job)).toEqual(['accepted'])
      const { instanceId, task, attempt } = job
      await bench.server.heartbeat(
        'with the attempt',
        ({ attempts, freeSlots }) => freeSlots === 2 && attempts.length === 1 && attempts[0]?.instanceId === instanceId,
      )
      await waitFor(() => bench.server.started.length === 1, { ...WAIT, what: 'a start' })
      expect(bench.server.started[0]).toMatchObject({ instanceId, task, attempt })
      open()
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      await bench.server.heartbeat('without it', ({ attempts, freeSlots }) => freeSlots === 3 && attempts.length === 0)
    })

    test.sequential('with the same ID after a restart, as another process', async () => {
      const bench = use()
      const first = await bench.server.hello()
      expect(await bench.worker.stop()).toBe(0)
      bench.worker.restart()
      const second = await bench.server.hello(2)
      expect(second.workerId).toBe(first.workerId)
      expect(second.incarnation).not.toBe(first.incarnation)
      expect([undefined, first.incarnation]).toContain(second.replaces)
    })

    test.sequential('naming the process that servers know, also after others have died before they were let in', async () => {
      const bench = use()
      const { incarnation } = await bench.server.hello(2)
      await bench.server.heartbeat('of a process that has read its welcome', () => true)
      bench.server.isDeaf = true
      for (let deaths = 0; deaths < 2; deaths++) {
        await bench.kill()
        const { turnedAway } = bench.server
        bench.worker.restart()
        await waitFor(() => bench.server.turnedAway > turnedAway, { ...WAIT, what: 'the worker to be turned away' })
      }
      await bench.kill()
      bench.server.isDeaf = false
      bench.worker.restart()
      expect([undefined, incarnation]).toContain((await bench.server.hello(3)).replaces)
    })
  })

  describe('refused by every server', () => {
    const use = useBench(adapter, { token: 'jtw_a-revoked-one', args: ['--refused-exit', '600'], isRefused: true })

    test('goes on trying, until it gives up', async () => {
      const { server, worker } = use()
      expect((await worker.exited()).code).toBe(3)
      expect(server.connections).toBe(0)
    })
  })
}
