import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '@jobtrail/deploy/wait'
import { LineFlag } from '@jobtrail/shared/log/chunk'
import { describe, expect, test } from 'vitest'
import { ServerDouble } from '../server-double.js'
import { WorkerUnderTest } from '../worker-under-test.js'
import { type Bench, assignment, handler, isRunning, resultOf, shell, WAIT } from '../bench.js'

/** What a worker says of itself, and how it runs jobs. */
export function running(bench: Bench): void {
  describe('greets', () => {
    test('with who it is, and beats with what it runs', async () => {
      await bench.begin({ slots: 3 })
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

    test('with the same ID after a restart, as another process', async () => {
      await bench.begin()
      const first = await bench.server.hello()
      expect(await bench.worker.stop()).toBe(0)
      bench.worker.restart()
      const second = await bench.server.hello(2)
      expect(second.workerId).toBe(first.workerId)
      expect(second.incarnation).not.toBe(first.incarnation)
      expect([undefined, first.incarnation]).toContain(second.replaces)
    })

    test('and goes on trying while servers refuse it, until it gives up for good', async () => {
      bench.server = await ServerDouble.start()
      bench.worker = new WorkerUnderTest(bench.adapter, bench.server.url, { token: 'jtw_a-revoked-one', args: ['--refused-exit', '600'] })
      expect((await bench.worker.exited()).code).toBe(3)
      expect(bench.server.connections).toBe(0)
    })
  })

  describe('runs a shell job', () => {
    test('with params, environment and secrets, and delivers both sides of its output, its result and its end', async () => {
      await bench.begin()
      const job = shell(
        `echo "$JOBTRAIL_INSTANCE_ID $JOBTRAIL_TASK $JOBTRAIL_ATTEMPT_NUMBER $JOBTRAIL_JOB_NAME $JOBTRAIL_SCHEDULED_FOR"
         echo "$JOBTRAIL_PARAM_BACKUP_DIR $JOBTRAIL_PARAM_COUNT $GREETING token:\${JOBTRAIL_TOKEN:-none}" >&2; cat "$JOBTRAIL_PARAMS_FILE"; echo
         echo '{"number": 12345678901234567890}' > "$JOBTRAIL_RESULT_FILE"`,
        { attempt: 3, params: {}, paramsText: '{"backup-dir":"/var/b","count":1.0}', scheduledFor: '2026-01-01T00:00:00.000Z' },
      )
      if (job.processor.kind === 'shell') job.processor.env = { GREETING: 'hello' }
      await bench.server.run(job)
      const end = await bench.server.end(job)
      expect(end).toMatchObject({ status: 'SUCCEEDED', exitCode: 0, signal: null, error: null, log: { lines: 3, losses: [] } })
      expect(end.resultText?.replaceAll(' ', '')).toBe('{"number":12345678901234567890}')
      expect(end.startedAt).toBeLessThanOrEqual(end.finishedAt)
      const texts = await bench.server.sealed(job)
      // The two sides are read side by side: only within one is there an order.
      expect(texts.toSorted()).toEqual(
        [`${job.instanceId} 0 3 conformance 2026-01-01T00:00:00.000Z`, '/var/b 1.0 hello token:none', '{"backup-dir":"/var/b","count":1.0}'].toSorted(),
      )
      expect(bench.server.logs.lines(job).find(({ text }) => text.toString().startsWith('/var/b'))?.flags).toBe(LineFlag.STDERR)
    })

    test('that fails, and says how', async () => {
      await bench.begin()
      const jobs = [shell('exit 7'), shell('kill -KILL $$'), assignment({ kind: 'shell', command: '/no/such/program' }), shell('x'.repeat(10), { attempt: 2 })]
      await bench.server.run(...jobs)
      const ends = await Promise.all(jobs.map((job) => bench.server.end(job)))
      expect(ends.map(({ status }) => status)).toEqual(['FAILED', 'FAILED', 'FAILED', 'FAILED'])
      expect(ends.map(({ exitCode }) => exitCode)).toEqual([7, null, null, 127])
      expect(ends[1]?.signal).toBe('SIGKILL')
      expect(ends[2]?.error).toContain('/no/such/program')
    })

    test('of a command with arguments, and of another interpreter', async () => {
      await bench.begin()
      const command = assignment({ kind: 'shell', command: 'printf', args: ['%s|', 'a b', '$HOME', ''] })
      const node = assignment({ kind: 'shell', script: 'console.log(1 + 1)', interpreter: `/usr/bin/env ${process.execPath}` })
      await bench.server.run(command, node)
      expect(await bench.server.sealed(command)).toEqual(['a b|$HOME||'])
      expect(await bench.server.sealed(node)).toEqual(['2'])
    })

    test('and keeps every byte of its output: long lines, empty ones, no newline at the end, bytes that are no text', async () => {
      await bench.begin()
      const bytes = Buffer.concat([
        Buffer.from('plain\n\n\r\ncarriage\rreturn\n'),
        Buffer.from(`${'€'.repeat(60_000)}\n`),
        Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a]),
        Buffer.from('x'.repeat(200_000)),
        Buffer.from('\nthe last'),
      ])
      writeFileSync(join(bench.dir, 'bytes'), bytes)
      const job = assignment({ kind: 'shell', command: 'cat', args: [join(bench.dir, 'bytes')] })
      await bench.server.run(job)
      await bench.server.sealed(job)
      expect(bench.server.logs.raw(job).equals(bytes)).toBe(true)
      const lines = bench.server.logs.lines(job)
      expect(Math.max(...lines.map(({ text }) => text.length))).toBeLessThanOrEqual(65_536)
      expect(lines.filter(({ flags }) => (flags & LineFlag.CUT) !== 0).map(({ text }) => text.length)).toEqual([65_535, 65_535, 65_536, 65_536, 65_536])
      expect(lines.at(-1)?.flags).toBe(LineFlag.NO_NEWLINE)
    })

    test('sends a line soon, and times go forward', async () => {
      await bench.begin()
      const { wait, open } = bench.gate()
      const job = shell(`echo first; ${wait}; echo second`)
      await bench.server.run(job)
      await bench.stored(job, 1)
      open()
      await bench.server.sealed(job)
      const [first, second] = bench.server.logs.lines(job)
      expect(second?.at).toBeGreaterThanOrEqual(first?.at ?? Infinity)
    })

    test('keeps to its log limit and says what is left out', async () => {
      await bench.begin()
      const job = shell('for i in 1 2 3 4 5; do echo "line $i"; done', { log: { maxLines: 2 } })
      await bench.server.run(job)
      const texts = await bench.server.sealed(job)
      expect(texts.slice(0, 2)).toEqual(['line 1', 'line 2'])
      expect(bench.server.logs.lines(job).filter(({ flags }) => (flags & LineFlag.MARKER) !== 0)).toHaveLength(2)
      expect((await bench.server.end(job)).log.losses).toEqual([{ reason: 'limit', at: 2, lines: 3, bytes: 21 }])
    })

    test('ends what it leaves in the background', async () => {
      await bench.begin()
      const { wait } = bench.gate()
      const job = shell(`setsid sh -c "touch '${join(bench.dir, 'gate')}'; exec sleep 300" > /dev/null 2>&1 & ${wait}`)
      await bench.server.run(job)
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      expect(isRunning(job)).toBe(false)
    })
  })

  describe('runs a function job', () => {
    test('with params, log lines, progress and result', async () => {
      await bench.begin()
      const job = handler('echo', { params: { text: 'a', list: [1, 2] }, attempt: 2 })
      await bench.server.run(job)
      const end = await bench.server.end(job)
      expect(end).toMatchObject({ status: 'SUCCEEDED', exitCode: null, error: null })
      expect(resultOf(end)).toEqual({ params: { text: 'a', list: [1, 2] }, attempt: 2, jobName: 'conformance' })
      expect((await bench.server.sealed(job)).toSorted()).toEqual(['ERROR to stderr', 'INFO params {"text":"a","list":[1,2]}', 'printed'])
    })

    test('that fails, or that it does not know', async () => {
      await bench.begin()
      const [failing, unknown] = [handler('failing'), handler('nobody')]
      await bench.server.run(failing, unknown)
      expect(await bench.server.end(failing)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('failed on purpose') })
      expect(await bench.server.end(unknown)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('nobody') })
    })

    test('and tells it when it is cancelled', async () => {
      await bench.begin()
      const job = handler('untilCancelled')
      await bench.server.run(job)
      await bench.stored(job, 1)
      await bench.server.emit('cancel', { attempts: [job] })
      expect(await bench.server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect((await bench.server.sealed(job))[0]).toBe('INFO waiting')
    })
  })

  test('masks secrets in log, result, error and progress, wherever a read falls', async () => {
    await bench.begin()
    const secrets = { PASSWORD: 'correct-horse-battery' }
    const job = shell('printf "at: correct-ho"; sleep 0.3; echo "rse-battery."; echo "$PASSWORD" >&2; echo "\\"$PASSWORD\\"" > "$JOBTRAIL_RESULT_FILE"', {
      secrets,
    })
    const telling = handler('telling', { secrets })
    await bench.server.run(job, telling)
    const ends = [await bench.server.end(job), await bench.server.end(telling)]
    expect(ends.map(resultOf)).toEqual(['***', { secret: '***' }])
    expect((await bench.server.sealed(job)).toSorted()).toEqual(['***', 'at: ***.'])
    expect(await bench.server.sealed(telling)).toEqual(['INFO secret ***'])
    for (const { message } of bench.server.progress) expect(message).toBe('at ***')
  })
}
