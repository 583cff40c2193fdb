import { waitFor } from '@jobtrail/deploy/wait'
import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { describe, expect, test } from 'vitest'
import { type Bench, count, shell, WAIT } from '../bench.js'

/** Ends and logs come through whatever happens to connections and answers. */
export function delivering(bench: Bench): void {
  describe('loses nothing', () => {
    const numbered = (lines: number): string => `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i + 1)); done`
    const slowly = (lines: number): string => `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i + 1)); sleep 0.01; done`

    test('when connections are cut again and again: the attempt goes on, and every hello lists it', async () => {
      await bench.begin()
      const job = shell(slowly(100))
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

    test('when the server asks it to connect anew', async () => {
      await bench.begin()
      const job = shell(slowly(60))
      await bench.server.run(job)
      await bench.stored(job, 10)
      await bench.server.emit('config', { reconnect: true })
      await bench.server.hello(2)
      expect(await bench.server.sealed(job)).toEqual(count(60))
    })

    test('when acknowledgements of every kind are lost', async () => {
      await bench.begin()
      for (const event of ['started', 'log', 'finished', 'seal'] as const) bench.server.once(event, 'lose')
      const { wait, open } = bench.gate()
      const job = shell(`${numbered(10)}; ${wait}`)
      await bench.server.run(job)
      await bench.server.hello(2)
      open()
      expect(await bench.server.sealed(job)).toEqual(count(10))
      await waitFor(() => bench.server.ends.length >= 2, { ...WAIT, what: 'the end to be told again' })
      expect(bench.server.ends[0]).toEqual(bench.server.ends[1])
    })

    test('when messages are cut off before the server acts on them', async () => {
      await bench.begin()
      for (const event of ['log', 'finished', 'seal'] as const) bench.server.once(event, 'cut')
      const job = shell(numbered(10))
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(10))
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
    })

    test('when the server is busy: it sends the same again, after a pause', async () => {
      await bench.begin()
      let busy = 0
      bench.server.judge = () => (busy++ < 4 ? 'busy' : undefined)
      const job = shell(numbered(2_500))
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(2_500))
      expect(busy).toBeGreaterThan(4)
    })

    test('when messages are refused for a while', async () => {
      await bench.begin()
      for (const event of ['log', 'finished', 'seal', 'started'] as const)
        bench.server.script(event, (nth) => (nth < 2 ? { refuse: 'UNAVAILABLE' } : undefined))
      const job = shell(`${numbered(10)}; sleep 0.1`)
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(10))
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
    })

    test('when answers are slow: several messages are under way, and never too many', async () => {
      await bench.begin()
      bench.server.script('log', () => ({ delayMs: 200 }))
      const job = shell(numbered(30_000))
      await bench.server.run(job)
      expect(await bench.server.sealed(job)).toEqual(count(30_000))
    })

    test('when the server misses lines that it had acknowledged', async () => {
      await bench.begin()
      const { wait, open } = bench.gate()
      const job = shell(`${numbered(3_000)}; ${wait}; echo last`)
      await bench.server.run(job)
      await bench.stored(job, 3_000)
      bench.server.logs.forget(job, bench.server.logs.chunks(job)[1]?.header.n ?? expect.fail('only one chunk'))
      open()
      expect(await bench.server.sealed(job)).toEqual([...count(3_000), 'last'])
    })
  })

  describe('never sends again', () => {
    test.each(['refused', 'conflict'] as const)('a chunk that is answered %s; the end is told, and other logs go on', async (answer) => {
      await bench.begin()
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
      bench.server.cut()
      await bench.server.hello(2)
      const last = shell('echo fine')
      await bench.server.run(last)
      await bench.server.sealed(last)
      expect(sent).toBe(1)
      expect(bench.server.logs.sealed.has(attemptKeyString(job))).toBe(false)
    })

    test('an end that the server will not take; the others are delivered', async () => {
      await bench.begin()
      const bad = shell('exit 3')
      bench.server.script('finished', (_, { attempts }) => (attempts.some(({ exitCode }) => exitCode === 3) ? { refuse: 'VALIDATION_FAILED' } : undefined))
      const good = [shell('true'), shell('true')]
      await bench.server.run(bad, ...good)
      for (const job of good) expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      await bench.server.heartbeat('nothing is held', ({ attempts }) => attempts.length === 0)
    })
  })

  test('a log message names the chunks of several logs, and stays within its bounds', async () => {
    await bench.begin({ slots: 8 })
    bench.server.script('log', (_, { chunks }) => {
      if (chunks.length > 64) bench.server.problems.push(`${chunks.length} chunks in a message`)
      return { delayMs: 20 }
    })
    const jobs = Array.from({ length: 8 }, () => shell('i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done'))
    await bench.server.run(...jobs)
    for (const job of jobs) expect(await bench.server.sealed(job)).toEqual(count(3_000))
  })
}
