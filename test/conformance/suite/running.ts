import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '@jobtrail/deploy/wait'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { LineFlag } from '@jobtrail/shared/log/chunk'
import { describe, expect, test } from 'vitest'
import { assignment, type Bench, handler, isRunning, resultOf, shell, WAIT } from '../bench.js'

/** How jobs are run. */
export function running(shared: () => Bench): void {
  describe('runs a shell job', () => {
    test('with params, environment and secrets, and delivers both sides of its output, its result and its end', async () => {
      const bench = shared()
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
      // stdout and stderr are read side by side: their lines may come in either order.
      expect(texts.toSorted()).toEqual(
        [`${job.instanceId} 0 3 conformance 2026-01-01T00:00:00.000Z`, '/var/b 1.0 hello token:none', '{"backup-dir":"/var/b","count":1.0}'].toSorted(),
      )
      expect(bench.server.logs.lines(job).find(({ text }) => text.toString().startsWith('/var/b'))?.flags).toBe(LineFlag.STDERR)
    })

    test('that fails, and says why', async () => {
      const bench = shared()
      const jobs = [shell('exit 7'), shell('kill -KILL $$'), assignment({ kind: 'shell', command: '/no/such/program' }), shell('x'.repeat(10), { attempt: 2 })]
      await bench.server.run(...jobs)
      const ends = await Promise.all(jobs.map((job) => bench.server.end(job)))
      expect(ends.map(({ status }) => status)).toEqual(['FAILED', 'FAILED', 'FAILED', 'FAILED'])
      expect(ends.map(({ exitCode }) => exitCode)).toEqual([7, null, null, 127])
      expect(ends[1]?.signal).toBe('SIGKILL')
      expect(ends[2]?.error).toContain('/no/such/program')
    })

    test('that is a command with arguments, or a script for another interpreter', async () => {
      const bench = shared()
      const command = assignment({ kind: 'shell', command: 'printf', args: ['%s|', 'a b', '$HOME', ''] })
      const node = assignment({ kind: 'shell', script: 'console.log(1 + 1)', interpreter: `/usr/bin/env ${process.execPath}` })
      await bench.server.run(command, node)
      expect(await bench.server.sealed(command)).toEqual(['a b|$HOME||'])
      expect(await bench.server.sealed(node)).toEqual(['2'])
    })

    test('and keeps every byte of its output: long lines, empty ones, a last line without a newline, bytes that are not UTF-8', async () => {
      const bench = shared()
      const bytes = Buffer.concat([
        Buffer.from('plain\n\n\r\ncarriage\rreturn\n'),
        Buffer.from(`${'€'.repeat(60_000)}\n`),
        Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a]),
        Buffer.from('x'.repeat(200_000)),
        Buffer.from('\nthe last'),
      ])
      const file = join(bench.dir, 'bytes')
      writeFileSync(file, bytes)
      const job = assignment({ kind: 'shell', command: 'cat', args: [file] })
      await bench.server.run(job)
      await bench.server.sealed(job)
      expect(bench.server.logs.raw(job).equals(bytes)).toBe(true)
      const lines = bench.server.logs.lines(job)
      expect(Math.max(...lines.map(({ text }) => text.length))).toBeLessThanOrEqual(65_536)
      expect(lines.filter(({ flags }) => (flags & LineFlag.CUT) !== 0).map(({ text }) => text.length)).toEqual([65_535, 65_535, 65_536, 65_536, 65_536])
      expect(lines.at(-1)?.flags).toBe(LineFlag.NO_NEWLINE)
    })

    test('and sends a line while the job goes on; times never go back', async () => {
      const bench = shared()
      const { wait, open } = bench.gate()
      const job = shell(`echo first; ${wait}; echo second`)
      await bench.server.run(job)
      await bench.stored(job, 1)
      open()
      await bench.server.sealed(job)
      const [first, second] = bench.server.logs.lines(job)
      expect(second?.at).toBeGreaterThanOrEqual(first?.at ?? Infinity)
    })

    test('within its log limit, and says what is left out', async () => {
      const bench = shared()
      const job = shell('for i in 1 2 3 4 5; do echo "line $i"; done', { log: { maxLines: 2 } })
      await bench.server.run(job)
      const texts = await bench.server.sealed(job)
      expect(texts.slice(0, 2)).toEqual(['line 1', 'line 2'])
      expect(bench.server.logs.lines(job).filter(({ flags }) => (flags & LineFlag.MARKER) !== 0)).toHaveLength(2)
      expect((await bench.server.end(job)).log.losses).toEqual([{ reason: 'limit', at: 2, lines: 3, bytes: 21 }])
    })

    test('and kills what it leaves in the background', async () => {
      const bench = shared()
      const file = join(bench.dir, 'in-background')
      const job = shell(`setsid sh -c "touch '${file}'; exec sleep 300" > /dev/null 2>&1 & while [ ! -e '${file}' ]; do sleep 0.02; done`)
      await bench.server.run(job)
      expect(await bench.server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      expect(isRunning(job)).toBe(false)
    })
  })

  describe('runs a function job', () => {
    test('with params, log lines, progress and result', async () => {
      const bench = shared()
      const job = handler('echo', { params: { text: 'a', list: [1, 2] }, attempt: 2 })
      await bench.server.run(job)
      const end = await bench.server.end(job)
      expect(end).toMatchObject({ status: 'SUCCEEDED', exitCode: null, error: null })
      expect(resultOf(end)).toEqual({ params: { text: 'a', list: [1, 2] }, attempt: 2, jobName: 'conformance' })
      expect((await bench.server.sealed(job)).toSorted()).toEqual(['ERROR to stderr', 'INFO params {"text":"a","list":[1,2]}', 'printed'])
    })

    test('that fails, or that it does not have', async () => {
      const bench = shared()
      const [failing, unknown] = [handler('failing'), handler('nobody')]
      await bench.server.run(failing, unknown)
      expect(await bench.server.end(failing)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('failed on purpose') })
      expect(await bench.server.end(unknown)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('nobody') })
    })

    test('and tells it when it is cancelled', async () => {
      const bench = shared()
      const job = handler('untilCancelled')
      await bench.server.run(job)
      await bench.stored(job, 1)
      await bench.server.emit('cancel', { attempts: [job] })
      expect(await bench.server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect((await bench.server.sealed(job))[0]).toBe('INFO waiting')
    })
  })

  test('masks secrets in log, result, error and progress, wherever a read falls', async () => {
    const bench = shared()
    const secrets = { PASSWORD: 'correct-horse-battery' }
    const job = shell('printf "at: correct-ho"; sleep 0.3; echo "rse-battery."; echo "$PASSWORD" >&2; echo "\\"$PASSWORD\\"" > "$JOBTRAIL_RESULT_FILE"', {
      secrets,
    })
    const { file, open } = bench.gate()
    const telling = handler('telling', { secrets, params: { gate: file } })
    await bench.server.run(job, telling)
    const progressOf = (key: AttemptKey) => bench.server.progress.filter((each) => attemptKeyString(each) === attemptKeyString(key))
    await waitFor(() => progressOf(telling).length > 0, { ...WAIT, what: 'progress' })
    open()
    const ends = [await bench.server.end(job), await bench.server.end(telling)]
    expect(ends.map(resultOf)).toEqual(['***', { secret: '***' }])
    expect((await bench.server.sealed(job)).toSorted()).toEqual(['***', 'at: ***.'])
    expect(await bench.server.sealed(telling)).toEqual(['INFO secret ***'])
    for (const { message } of progressOf(telling)) expect(message).toBe('at ***')
  })

  test('masks a secret with a short line across lines, with a mask in each', async () => {
    const bench = shared()
    const job = shell('echo "key: $KEY"; echo ab', { secrets: { KEY: 'first line\nab\nlast line' } })
    await bench.server.run(job)
    expect(await bench.server.sealed(job)).toEqual(['key: ***', '***', '***', 'ab'])
  })

  describe('understands servers of later versions, and bad ones', () => {
    test('answers unknown events, and ignores unknown members', async () => {
      const { server } = shared()
      expect(await server.emit('newfangled', { a: 1 })).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
      expect(await server.emit('cancel', { attempts: 'nonsense' })).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
      const job = { ...shell('echo fine'), later: { nested: [1] } }
      expect(await server.run(job)).toEqual(['accepted'])
      expect(await server.sealed(job)).toEqual(['fine'])
    })

    test('reports an attempt that it cannot read as FAILED with the reason, and runs the others of the message', async () => {
      const { server } = shared()
      const [unread, container, job] = [shell('echo no'), shell('echo no'), shell('echo fine')]
      const results = await server.runRaw([
        { ...unread, secrets: { TOKEN: 7 } },
        { ...container, processor: { kind: 'container', image: 'debian' } },
        { ...shell('echo no'), attempt: 'first' },
        job,
      ])
      expect(results).toEqual(['accepted', 'accepted', 'refused', 'accepted'])
      expect(await server.end(unread)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('secrets'), startedAt: null })
      expect(await server.end(container)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('kind'), startedAt: null })
      expect(await server.sealed(job)).toEqual(['fine'])
    })
  })
}
