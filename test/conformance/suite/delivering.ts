import { waitFor } from '@jobtrail/deploy/wait'
import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import type { Hello } from '@jobtrail/shared/protocol/worker'
import { afterEach, describe, expect, test } from 'vitest'
import { count, printLines, shell, useBench, WAIT } from '../bench.js'
import type { Adapter } from '../worker-under-test.js'

const SLOWLY = 'sleep 0.01;'

/** Ends and logs come through whatever happens to connections and answers. */
export function delivering(adapter: Adapter): void {
  // Each with a worker of its own: workers take longer to connect again after each connection that did not last.
  describe('loses nothing', () => {
    const use = useBench(adapter)

    test('when connections are cut again and again: the attempt goes on, and every hello lists it', async () => {
      const bench = use()
      const job = shell(printLines(100, SLOWLY))
      await bench.server.run(job)
      for (let cuts = 1; cuts <= 3; cuts++) {
        await bench.stored(job, cuts * 10)
        bench.server.cut()
        const { attempts } = await bench.server.hello(cuts + 1)
        if (bench.server.endOf(job) === undefined) expect(attempts).toEqual([expect.objectContaining({ instanceId: job.instanceId })])
      }
      expect(await bench.server.sealed(job)).toEqual(count(100))
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED', log: { losses: [] } })
    })
  })

  describe('loses nothing', () => {
    const use = useBench(adapter)

    test('when the server is leaving', async () => {
      const bench = use()
      const job = shell(printLines(60, SLOWLY))
      await bench.server.run(job)
      await bench.stored(job, 10)
      await bench.server.emit('config', { reconnect: true })
      await bench.server.hello(2)
      expect(await bench.server.sealed(job)).toEqual(count(60))
    })
  })

  describe('loses nothing', () => {
    const use = useBench(adapter)

    test('when acknowledgements of every kind are lost', async () => {
      const bench = use()
      for (const event of ['started', 'log', 'finished', 'seal'] as const) bench.server.once(event, 'lose')
      const { wait, open } = bench.gate()
      const job = shell(`${printLines(10)}; ${wait}`)
      await bench.server.run(job)
      await bench.server.hello(2)
      open()
      expect(await bench.server.sealed(job)).toEqual(count(10))
      await waitFor(() => bench.server.ends.length >= 2, { ...WAIT, what: 'the end to be reported again' })
      expect(bench.server.ends[0]).toEqual(bench.server.ends[1])
    })
  })

  describe('loses nothing', () => {
    const use = useBench(adapter)

    test('when messages are cut off before the server acts on them', async () => {
      const bench = use()
      for (const event of ['log', 'finished', 'seal'] as const) bench.server.once(event, 'cut')
      const job = shell(printLines(10))
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(10))
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
    })
  })

  describe('whatever the server answers', () => {
    const use = useBench(adapter, { slots: 8 })
    afterEach(() => use().server.heal())
    /** Without the back-off that follows a lost connection. */
    async function reconnect(): Promise<Hello> {
      const { server } = use()
      const greeted = server.hellos.length
      await server.emit('config', { reconnect: true })
      return server.hello(greeted + 1)
    }

    test.sequential('busy: sends the same again after a pause', async () => {
      const bench = use()
      let busy = 0
      bench.server.judge = () => (busy++ < 4 ? 'busy' : undefined)
      const job = shell(printLines(2_500))
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(2_500))
      expect(busy).toBeGreaterThan(4)
    })

    test.sequential('a refusal for a while: sends the same again', async () => {
      const bench = use()
      for (const event of ['log', 'finished', 'seal', 'started'] as const)
        bench.server.script(event, (nth) => (nth < 2 ? { refuse: 'UNAVAILABLE' } : undefined))
      const job = shell(`${printLines(10)}; sleep 0.1`)
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(10))
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
    })

    test.sequential('late: delivers everything', async () => {
      const bench = use()
      bench.server.script('log', () => ({ delayMs: 50 }))
      const job = shell(printLines(30_000))
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(30_000))
    })

    test.sequential('that a seal misses nothing: just seals again', async () => {
      const bench = use()
      bench.server.script('seal', (nth, { streams }) => (nth < 2 ? { value: { results: streams.map(() => ({ state: 'missing', missing: [] })) } } : undefined))
      const job = shell(printLines(3))
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(3))
    })

    test.sequential('that lines are missing which it acknowledged before: sends them again', async () => {
      const bench = use()
      const { wait, open } = bench.gate()
      const job = shell(`${printLines(3_000)}; ${wait}; echo last`)
      await bench.server.run(job)
      await bench.stored(job, 3_000)
      bench.server.logs.forget(job, bench.server.logs.chunks(job)[1]?.header.n ?? expect.fail('only one chunk'))
      open()
      expect(await bench.server.sealed(job)).toEqual([...count(3_000), 'last'])
    })

    test.sequential.for(['refused', 'conflict'] as const)(
      '%s for a chunk: never sends it again, reports the end, and goes on with other logs',
      async (answer) => {
        const bench = use()
        const { wait, open } = bench.gate()
        const job = shell(`echo bad; ${wait}; echo more`)
        let sent = 0
        bench.server.judge = (header) => (header.instanceId === job.instanceId && header.n === 0 ? (sent++, answer) : undefined)
        await bench.server.run(job)
        await waitFor(() => sent > 0, { ...WAIT, what: 'the chunk' })
        open()
        const other = shell('echo fine')
        await bench.server.run(other)
        expect(await bench.server.sealed(other)).toEqual(['fine'])
        expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
        await reconnect()
        const last = shell('echo fine')
        await bench.server.run(last)
        await bench.server.sealed(last)
        expect(sent).toBe(1)
        expect(bench.server.logs.sealed.has(attemptKeyString(job))).toBe(false)
      },
    )

    test.sequential.for(['refused', 'invalid'] as const)('%s for an end: gives the attempt up, and delivers other ends', async (how) => {
      const bench = use()
      const bad = shell('exit 3')
      let sent = 0
      bench.server.script('finished', (_, { attempts }) => {
        const index = attempts.findIndex(({ exitCode }) => exitCode === 3)
        if (index < 0) return undefined
        sent++
        if (how === 'refused') return { refuse: 'VALIDATION_FAILED' }
        const problems = [{ index, message: `attempts.${index}.exitCode: of all things` }]
        return { value: { results: attempts.map((_end, i) => (i === index ? 'invalid' : 'ok')), problems } }
      })
      const { wait, open } = bench.gate()
      const good = shell(wait)
      await bench.server.run(good, bad)
      await bench.server.givenUp(bad)
      const before = sent
      open()
      expect(await bench.server.end(good)).toMatchObject({ status: 'SUCCEEDED' })
      await bench.server.heartbeat('nothing is held', ({ attempts }) => attempts.length === 0)
      expect((await reconnect()).attempts).toEqual([])
      expect(sent).toBe(before)
    })

    test.sequential('slowly: puts chunks of several logs into one message, within its limits', async () => {
      const bench = use()
      bench.server.script('log', (_, { chunks }) => {
        if (chunks.length > 64) bench.server.problems.push(`${chunks.length} chunks in a message`)
        return { delayMs: 20 }
      })
      const jobs = Array.from({ length: 8 }, () => shell(printLines(3_000)))
      await bench.server.run(...jobs)
      for (const job of jobs) expect(await bench.server.sealed(job)).toEqual(count(3_000))
    })
  })
}
