import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '@jobtrail/deploy/wait'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { LineFlag } from '@jobtrail/shared/log/chunk'
import type { Assignment, AttemptEnd, LogMessage } from '@jobtrail/shared/protocol/worker'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { attemptProcesses } from '../support/attempt-processes.js'
import { ServerDouble } from './server-double.js'
import { type Adapter, WorkerUnderTest } from './worker-under-test.js'

const WAIT = { timeoutMs: 20_000, intervalMs: 10 }

type Options = Partial<Omit<Assignment, 'processor' | 'instanceId' | 'log'>> & { log?: Partial<Assignment['log']> }

function assignment(processor: Assignment['processor'], { log, ...more }: Options = {}): Assignment {
  return {
    ...{ instanceId: randomUUID(), task: 0, attempt: 1, namespace: 'default', jobId: randomUUID(), jobName: 'conformance', revision: 1, scheduledFor: null },
    ...{ processor, params: {}, secrets: {}, timeoutMs: 0, killGraceMs: 2_000, log: { maxLines: 0, maxBytes: 0, onPressure: 'block', ...log } },
    ...more,
  }
}

const shell = (script: string, more: Options = {}): Assignment => assignment({ kind: 'shell', script }, more)
const handler = (name: string, more: Options = {}): Assignment => assignment({ kind: 'handler', handler: name }, more)
/** Whichever form the worker chose for it. */
const resultOf = ({ result, resultText }: AttemptEnd): unknown => (resultText === undefined ? result : JSON.parse(resultText))
const count = (lines: number): string[] => Array.from({ length: lines }, (_, i) => `line ${i}`)
const isRunning = (key: AttemptKey): boolean => attemptProcesses(key.instanceId).length > 0

/** What every worker has to do, whatever it is written in. docs/protocol.md says why. */
export function conformance(adapter: Adapter): void {
  let server: ServerDouble
  let worker: WorkerUnderTest
  let dir: string

  async function begin({ leaseMs = 6_000, slots = 4, args = [] as readonly string[] } = {}): Promise<void> {
    server = await ServerDouble.start({ leaseMs })
    worker = new WorkerUnderTest(adapter, server.url, { slots, args })
    await server.hello()
  }

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'jobtrail-conformance-'))
  })

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`\n=== ${task.name}: the log of ${adapter.name}:\n${worker.log()}\n`)
    await worker.remove()
    await server.close()
    rmSync(dir, { recursive: true, force: true })
    expect(server.problems).toEqual([])
  })

  /** Shell code that waits until the test lets it go on. */
  const gate = (name = 'gate'): { wait: string; open: () => void } => {
    const file = join(dir, name)
    return { wait: `while [ ! -e '${file}' ]; do sleep 0.02; done`, open: () => writeFileSync(file, '') }
  }

  /** Waits until the process has got so far that this file is there. */
  const reached = (file: string): Promise<unknown> => waitFor(() => existsSync(file), { ...WAIT, what: `${file} to be there` })

  /** Waits until so many lines of an attempt are stored. */
  const stored = (key: AttemptKey, lines: number): Promise<unknown> =>
    waitFor(() => server.logs.lines(key).length >= lines, { ...WAIT, what: `${lines} stored lines` })

  describe('greets', () => {
    test('with who it is, and beats with what it runs', async () => {
      await begin({ slots: 3 })
      expect(await server.hello()).toMatchObject({
        ...{ protocol: 2, name: 'under-test', group: 'default', tags: ['one', 'two'], slots: 3, attempts: [] },
        ...{ handlers: expect.arrayContaining(['echo', 'failing', 'untilCancelled', 'telling']), incarnation: expect.any(String), sentAt: expect.any(Number) },
      })
      const { wait, open } = gate()
      const job = shell(wait)
      expect(await server.run(job)).toEqual(['accepted'])
      const { instanceId, task, attempt } = job
      await server.heartbeat('with the attempt', ({ attempts, freeSlots }) => freeSlots === 2 && attempts.length === 1 && attempts[0]?.instanceId === instanceId)
      await waitFor(() => server.started.length === 1, { ...WAIT, what: 'a start' })
      expect(server.started[0]).toMatchObject({ instanceId, task, attempt })
      open()
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      await server.heartbeat('without it', ({ attempts, freeSlots }) => freeSlots === 3 && attempts.length === 0)
    })

    test('with the same ID after a restart, as another process', async () => {
      await begin()
      const first = await server.hello()
      expect(await worker.stop()).toBe(0)
      worker.restart()
      const second = await server.hello(2)
      expect(second.workerId).toBe(first.workerId)
      expect(second.incarnation).not.toBe(first.incarnation)
    })

    test('and goes on trying while servers refuse it, until it gives up for good', async () => {
      server = await ServerDouble.start()
      worker = new WorkerUnderTest(adapter, server.url, { token: 'jtw_a-revoked-one', args: ['--refused-exit', '600'] })
      expect((await worker.exited()).code).toBe(3)
      expect(server.connections).toBe(0)
    })
  })

  describe('runs a shell job', () => {
    test('with params, environment and secrets, and delivers both sides of its output, its result and its end', async () => {
      await begin()
      const job = shell(
        `echo "$JOBTRAIL_INSTANCE_ID $JOBTRAIL_TASK $JOBTRAIL_ATTEMPT_NUMBER $JOBTRAIL_JOB_NAME $JOBTRAIL_SCHEDULED_FOR"
         echo "$JOBTRAIL_PARAM_BACKUP_DIR $JOBTRAIL_PARAM_COUNT $GREETING token:\${JOBTRAIL_TOKEN:-none}" >&2; cat "$JOBTRAIL_PARAMS_FILE"; echo
         echo '{"number": 12345678901234567890}' > "$JOBTRAIL_RESULT_FILE"`,
        { attempt: 3, params: {}, paramsText: '{"backup-dir":"/var/b","count":1.0}', scheduledFor: '2026-01-01T00:00:00.000Z' },
      )
      if (job.processor.kind === 'shell') job.processor.env = { GREETING: 'hello' }
      await server.run(job)
      const end = await server.end(job)
      expect(end).toMatchObject({ status: 'SUCCEEDED', exitCode: 0, signal: null, error: null, log: { lines: 3, losses: [] } })
      expect(end.resultText?.replaceAll(' ', '')).toBe('{"number":12345678901234567890}')
      expect(end.startedAt).toBeLessThanOrEqual(end.finishedAt)
      const texts = await server.sealed(job)
      // The two sides are read side by side: only within one is there an order.
      expect(texts.toSorted()).toEqual(
        [`${job.instanceId} 0 3 conformance 2026-01-01T00:00:00.000Z`, '/var/b 1.0 hello token:none', '{"backup-dir":"/var/b","count":1.0}'].toSorted(),
      )
      expect(server.logs.lines(job).find(({ text }) => text.toString().startsWith('/var/b'))?.flags).toBe(LineFlag.STDERR)
    })

    test('that fails, and says how', async () => {
      await begin()
      const jobs = [shell('exit 7'), shell('kill -KILL $$'), assignment({ kind: 'shell', command: '/no/such/program' }), shell('x'.repeat(10), { attempt: 2 })]
      await server.run(...jobs)
      const ends = await Promise.all(jobs.map((job) => server.end(job)))
      expect(ends.map(({ status }) => status)).toEqual(['FAILED', 'FAILED', 'FAILED', 'FAILED'])
      expect(ends.map(({ exitCode }) => exitCode)).toEqual([7, null, null, 127])
      expect(ends[1]?.signal).toBe('SIGKILL')
      expect(ends[2]?.error).toContain('/no/such/program')
    })

    test('of a command with arguments, and of another interpreter', async () => {
      await begin()
      const command = assignment({ kind: 'shell', command: 'printf', args: ['%s|', 'a b', '$HOME', ''] })
      const node = assignment({ kind: 'shell', script: 'console.log(1 + 1)', interpreter: `/usr/bin/env ${process.execPath}` })
      await server.run(command, node)
      expect(await server.sealed(command)).toEqual(['a b|$HOME||'])
      expect(await server.sealed(node)).toEqual(['2'])
    })

    test('and keeps every byte of its output: long lines, empty ones, no newline at the end, bytes that are no text', async () => {
      await begin()
      const bytes = Buffer.concat([
        Buffer.from('plain\n\n\r\ncarriage\rreturn\n'),
        Buffer.from(`${'€'.repeat(60_000)}\n`),
        Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a]),
        Buffer.from('x'.repeat(200_000)),
        Buffer.from('\nthe last'),
      ])
      writeFileSync(join(dir, 'bytes'), bytes)
      const job = assignment({ kind: 'shell', command: 'cat', args: [join(dir, 'bytes')] })
      await server.run(job)
      await server.sealed(job)
      expect(server.logs.raw(job).equals(bytes)).toBe(true)
      const lines = server.logs.lines(job)
      expect(Math.max(...lines.map(({ text }) => text.length))).toBeLessThanOrEqual(65_536)
      expect(lines.filter(({ flags }) => (flags & LineFlag.CUT) !== 0).map(({ text }) => text.length)).toEqual([65_535, 65_535, 65_536, 65_536, 65_536])
      expect(lines.at(-1)?.flags).toBe(LineFlag.NO_NEWLINE)
    })

    test('sends a line soon, and times go forward', async () => {
      await begin()
      const { wait, open } = gate()
      const job = shell(`echo first; ${wait}; echo second`)
      await server.run(job)
      await stored(job, 1)
      open()
      await server.sealed(job)
      const [first, second] = server.logs.lines(job)
      expect(second?.at).toBeGreaterThanOrEqual(first?.at ?? Infinity)
    })

    test('keeps to its log limit and says what is left out', async () => {
      await begin()
      const job = shell('for i in 1 2 3 4 5; do echo "line $i"; done', { log: { maxLines: 2 } })
      await server.run(job)
      const texts = await server.sealed(job)
      expect(texts.slice(0, 2)).toEqual(['line 1', 'line 2'])
      expect(server.logs.lines(job).filter(({ flags }) => (flags & LineFlag.MARKER) !== 0)).toHaveLength(2)
      expect((await server.end(job)).log.losses).toEqual([{ reason: 'limit', at: 2, lines: 3, bytes: 21 }])
    })

    test('ends what it leaves in the background', async () => {
      await begin()
      const job = shell(`setsid sleep 300 > /dev/null 2>&1 & echo done`)
      await server.run(job)
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED', error: expect.any(String) })
      expect(isRunning(job)).toBe(false)
    })
  })

  describe('runs a function job', () => {
    test('with params, log lines, progress and result', async () => {
      await begin()
      const job = handler('echo', { params: { text: 'a', list: [1, 2] }, attempt: 2 })
      await server.run(job)
      const end = await server.end(job)
      expect(end).toMatchObject({ status: 'SUCCEEDED', exitCode: null, error: null })
      expect(resultOf(end)).toEqual({ params: { text: 'a', list: [1, 2] }, attempt: 2, jobName: 'conformance' })
      expect((await server.sealed(job)).toSorted()).toEqual(['ERROR to stderr', 'INFO params {"text":"a","list":[1,2]}', 'printed'])
    })

    test('that fails, or that it does not know', async () => {
      await begin()
      const [failing, unknown] = [handler('failing'), handler('nobody')]
      await server.run(failing, unknown)
      expect(await server.end(failing)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('failed on purpose') })
      expect(await server.end(unknown)).toMatchObject({ status: 'FAILED', error: expect.stringContaining('nobody') })
    })

    test('and tells it when it is cancelled', async () => {
      await begin()
      const job = handler('untilCancelled')
      await server.run(job)
      await stored(job, 1)
      await server.emit('cancel', { attempts: [job] })
      expect(await server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect((await server.sealed(job))[0]).toBe('INFO waiting')
    })
  })

  test('masks secrets in log, result, error and progress, wherever a read falls', async () => {
    await begin()
    const secrets = { PASSWORD: 'correct-horse-battery' }
    const job = shell('printf "at: correct-ho"; sleep 0.3; echo "rse-battery."; echo "$PASSWORD" >&2; echo "\\"$PASSWORD\\"" > "$JOBTRAIL_RESULT_FILE"', { secrets })
    const telling = handler('telling', { secrets })
    await server.run(job, telling)
    const ends = [await server.end(job), await server.end(telling)]
    expect(ends.map(resultOf)).toEqual(['***', { secret: '***' }])
    expect((await server.sealed(job)).toSorted()).toEqual(['***', 'at: ***.'])
    expect(await server.sealed(telling)).toEqual(['INFO secret ***'])
    for (const { message } of server.progress) expect(message).toBe('at ***')
  })

  describe('ends an attempt', () => {
    const stubborn = `trap '' TERM; setsid sh -c 'trap "" TERM; sleep 300' & echo ready; while :; do sleep 0.05; done`

    test('that is cancelled: asks it first, then kills it with everything that it started', async () => {
      await begin()
      const polite = shell(`trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done`, { killGraceMs: 10_000 })
      const job = shell(stubborn, { killGraceMs: 300 })
      await server.run(polite, job)
      await Promise.all([stored(polite, 1), stored(job, 1)])
      await server.emit('cancel', { attempts: [polite, job] })
      expect(await server.end(polite)).toMatchObject({ status: 'CANCELLED' })
      const texts = await server.sealed(polite)
      // Shells say which of their children were terminated.
      expect([texts[0], texts.at(-1)]).toEqual(['ready', 'bye'])
      expect(await server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect(isRunning(job)).toBe(false)
      await server.sealed(job)
    })

    test('that a heartbeat says is cancelled', async () => {
      await begin()
      const job = shell('echo ready; sleep 300')
      await server.run(job)
      await stored(job, 1)
      server.cancelled = [job]
      expect(await server.end(job)).toMatchObject({ status: 'CANCELLED' })
    })

    test('that is cancelled before it has started', async () => {
      await begin()
      const job = shell('echo ready; sleep 300')
      const [results] = await Promise.all([server.run(job), server.emit('cancel', { attempts: [job] })])
      expect(results).toEqual(['accepted'])
      expect(await server.end(job)).toMatchObject({ status: 'CANCELLED' })
      expect(isRunning(job)).toBe(false)
    })

    test('whose time is over', async () => {
      await begin()
      const job = shell(stubborn, { timeoutMs: 400, killGraceMs: 200 })
      await server.run(job)
      expect(await server.end(job)).toMatchObject({ status: 'TIMED_OUT' })
      expect(isRunning(job)).toBe(false)
    })

    test('that was fenced, at once and without telling its end; its log is delivered', async () => {
      await begin()
      const job = shell(stubborn, { killGraceMs: 60_000 })
      await server.run(job)
      await stored(job, 1)
      await server.emit('fenced', { attempts: [job] })
      await waitFor(() => !isRunning(job), { ...WAIT, what: 'its processes to be gone' })
      expect((await server.sealed(job))[0]).toBe('ready')
      expect(server.endOf(job)).toBeUndefined()
    })

    test('that hello or the answer to its start says is not its own any more', async () => {
      await begin()
      const [refused, stopped] = [shell('sleep 300'), shell('echo ready; sleep 300')]
      server.fenced.add(attemptKeyString(refused))
      await server.run(refused, stopped)
      await stored(stopped, 1)
      server.stop = [stopped]
      server.cut()
      await server.hello(2)
      await waitFor(() => !isRunning(refused) && !isRunning(stopped), { ...WAIT, what: 'their processes to be gone' })
      await server.sealed(stopped)
      expect(server.ends).toEqual([])
    })

    test('when its lease runs out, says that it gave it up, and takes new work afterwards', async () => {
      await begin({ leaseMs: 1_500 })
      const job = shell(stubborn)
      await server.run(job)
      await stored(job, 1)
      server.isDeaf = true
      server.cut()
      const since = performance.now()
      await waitFor(() => !isRunning(job), { ...WAIT, what: 'its processes to be gone' })
      expect(performance.now() - since).toBeLessThan(1_500)
      server.isDeaf = false
      expect((await server.hello(2)).givenUp).toEqual([expect.objectContaining({ instanceId: job.instanceId })])
      await server.sealed(job)
      expect(server.endOf(job)).toBeUndefined()
      const next = shell('echo again')
      expect(await server.run(next)).toEqual(['accepted'])
      expect(await server.sealed(next)).toEqual(['again'])
    })

    test('when it is frozen beyond its lease, or dies: nothing of it runs on', async () => {
      await begin({ leaseMs: 1_500 })
      const [frozen, orphaned] = [shell(stubborn), shell(stubborn)]
      await server.run(frozen)
      await stored(frozen, 1)
      worker.signal('SIGSTOP')
      await waitFor(() => !isRunning(frozen), { ...WAIT, what: 'the processes of a frozen worker to be gone' })
      const given = server.heartbeat('with what it gave up', ({ givenUp = [] }) => givenUp.some(({ instanceId }) => instanceId === frozen.instanceId))
      worker.signal('SIGCONT')
      await given
      expect(await server.run(orphaned)).toEqual(['accepted'])
      await stored(orphaned, 1)
      await worker.kill()
      await waitFor(() => !isRunning(orphaned), { ...WAIT, what: 'the processes of a dead worker to be gone' })
    })
  })

  describe('keeps to its slots', () => {
    test('refuses what it has no slot for, and runs what it is given twice only once', async () => {
      await begin({ slots: 1 })
      const { wait, open } = gate()
      const job = shell(`echo once; ${wait}`)
      expect(await server.run(job)).toEqual(['accepted'])
      expect(await server.run(job, shell('true'))).toEqual(['accepted', 'refused'])
      open()
      expect(await server.sealed(job)).toEqual(['once'])
      await server.heartbeat('free again', ({ freeSlots }) => freeSlots === 1)
      expect(await server.run(job)).toEqual(['accepted'])
      await server.heartbeat('nothing runs', ({ freeSlots, attempts }) => freeSlots === 1 && attempts.length === 0)
      expect(server.ends).toHaveLength(1)
    })

    test('drains on demand and is taken back', async () => {
      await begin()
      const { wait, open } = gate()
      const job = shell(wait)
      await server.run(job)
      server.isDrainWanted = true
      await server.emit('config', { drain: true })
      await server.heartbeat('draining', ({ isDraining }) => isDraining)
      expect(await server.run(shell('true'))).toEqual(['refused'])
      open()
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      server.isDrainWanted = false
      await server.heartbeat('not draining', ({ isDraining }) => !isDraining)
      expect(await server.run(shell('true'))).toEqual(['accepted'])
    })

    test('at SIGTERM lets what runs finish, delivers everything and ends with status 0', async () => {
      await begin()
      const { wait, open } = gate()
      const job = shell(`echo before; ${wait}; echo after`)
      await server.run(job)
      await stored(job, 1)
      const exit = worker.stop()
      await server.heartbeat('draining', ({ isDraining }) => isDraining)
      expect(await server.run(shell('true'))).toEqual(['refused'])
      open()
      expect(await exit).toBe(0)
      expect(server.endOf(job)).toMatchObject({ status: 'SUCCEEDED' })
      expect(await server.sealed(job)).toEqual(['before', 'after'])
    })

    test('at SIGTERM stops what does not finish in time: a failure, which may be retried', async () => {
      await begin({ args: ['--drain-timeout', '200'] })
      const job = shell('echo before; sleep 300')
      await server.run(job)
      await stored(job, 1)
      expect(await worker.stop()).toBe(0)
      expect(server.endOf(job)).toMatchObject({ status: 'FAILED' })
      await server.sealed(job)
    })
  })

  describe('understands later versions', () => {
    test('answers unknown events, and ignores unknown members', async () => {
      await begin()
      expect(await server.emit('newfangled', { a: 1 })).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
      expect(await server.emit('cancel', { attempts: 'nonsense' })).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
      const job = { ...shell('echo fine'), later: { nested: [1] } }
      expect(await server.run(job)).toEqual(['accepted'])
      expect(await server.sealed(job)).toEqual(['fine'])
    })
  })

  describe('loses nothing', () => {
    const numbered = (lines: number): string => `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i + 1)); done`
    const slowly = (lines: number): string => `i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i + 1)); sleep 0.01; done`

    test('when connections are cut again and again: the attempt goes on, and every hello lists it', async () => {
      await begin()
      const job = shell(slowly(100))
      await server.run(job)
      for (let cuts = 1; cuts <= 3; cuts++) {
        await stored(job, cuts * 10)
        server.cut()
        const { attempts } = await server.hello(cuts + 1)
        if (server.endOf(job) === undefined) expect(attempts).toEqual([expect.objectContaining({ instanceId: job.instanceId })])
      }
      expect(await server.sealed(job)).toEqual(count(100))
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED', log: { losses: [] } })
    })

    test('when the server asks it to connect anew', async () => {
      await begin()
      const job = shell(slowly(60))
      await server.run(job)
      await stored(job, 10)
      await server.emit('config', { reconnect: true })
      await server.hello(2)
      expect(await server.sealed(job)).toEqual(count(60))
    })

    test('when acknowledgements of every kind are lost', async () => {
      await begin()
      for (const event of ['started', 'log', 'finished', 'seal'] as const) server.once(event, 'lose')
      const { wait, open } = gate()
      const job = shell(`${numbered(10)}; ${wait}`)
      await server.run(job)
      await server.hello(2)
      open()
      expect(await server.sealed(job)).toEqual(count(10))
      await waitFor(() => server.ends.length >= 2, { ...WAIT, what: 'the end to be told again' })
      expect(server.ends[0]).toEqual(server.ends[1])
    })

    test('when messages are cut off before the server acts on them', async () => {
      await begin()
      for (const event of ['log', 'finished', 'seal'] as const) server.once(event, 'cut')
      const job = shell(numbered(10))
      await server.run(job)
      expect(await server.sealed(job)).toEqual(count(10))
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
    })

    test('when the server is busy: it sends the same again, after a pause', async () => {
      await begin()
      let busy = 0
      server.judge = () => (busy++ < 4 ? 'busy' : undefined)
      const job = shell(numbered(2_500))
      await server.run(job)
      expect(await server.sealed(job)).toEqual(count(2_500))
      expect(busy).toBeGreaterThan(4)
    })

    test('when messages are refused for a while', async () => {
      await begin()
      for (const event of ['log', 'finished', 'seal', 'started'] as const) server.script(event, (nth) => (nth < 2 ? { refuse: 'UNAVAILABLE' } : undefined))
      const job = shell(`${numbered(10)}; sleep 0.1`)
      await server.run(job)
      expect(await server.sealed(job)).toEqual(count(10))
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
    })

    test('when answers are slow: several messages are under way, and never too many', async () => {
      await begin()
      server.script('log', () => ({ delayMs: 200 }))
      const job = shell(numbered(30_000))
      await server.run(job)
      expect(await server.sealed(job)).toEqual(count(30_000))
    })

    test('when the server misses lines that it had acknowledged', async () => {
      await begin()
      const { wait, open } = gate()
      const job = shell(`${numbered(3_000)}; ${wait}; echo last`)
      await server.run(job)
      await stored(job, 3_000)
      server.logs.forget(job, server.logs.chunks(job)[1]?.header.n ?? expect.fail('only one chunk'))
      open()
      expect(await server.sealed(job)).toEqual([...count(3_000), 'last'])
    })
  })

  describe('never sends again', () => {
    test.each(['refused', 'conflict'] as const)('a chunk that is answered %s; the end is told, and other logs go on', async (answer) => {
      await begin()
      const { wait, open } = gate()
      const job = shell(`echo bad; ${wait}; echo more`)
      let sent = 0
      server.judge = (header) => (header.instanceId === job.instanceId && header.n === 0 ? (sent++, answer) : undefined)
      await server.run(job)
      await waitFor(() => sent > 0, { ...WAIT, what: 'the chunk' })
      open()
      const other = shell('echo fine')
      await server.run(other)
      expect(await server.sealed(other)).toEqual(['fine'])
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      server.cut()
      await server.hello(2)
      const last = shell('echo fine')
      await server.run(last)
      await server.sealed(last)
      expect(sent).toBe(1)
      expect(server.logs.sealed.has(attemptKeyString(job))).toBe(false)
    })

    test('an end that the server will not take; the others are delivered', async () => {
      await begin()
      const bad = shell('exit 3')
      server.script<{ attempts: AttemptEnd[] }>('finished', (_, { attempts }) =>
        attempts.some(({ exitCode }) => exitCode === 3) ? { refuse: 'VALIDATION_FAILED' } : undefined,
      )
      const good = [shell('true'), shell('true')]
      await server.run(bad, ...good)
      for (const job of good) expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED' })
      await server.heartbeat('nothing is held', ({ attempts }) => attempts.length === 0)
    })
  })

  describe('killed and started again', () => {
    /** Where the worker keeps the chunks of an attempt, whatever it calls its files. */
    const spoolFile = (job: AttemptKey): string => {
      const found = readdirSync(worker.spoolDir, { recursive: true, encoding: 'utf8' })
        .map((name) => join(worker.spoolDir, name))
        .find((path) => path.includes(job.instanceId) && statSync(path).isFile() && readFileSync(path).includes('line 0'))
      return found ?? expect.fail('no spool file')
    }

    /** Prints lines that no server takes, then the worker is killed. */
    async function printedAndKilled(lines: number): Promise<Assignment> {
      await begin()
      server.judge = () => 'busy'
      const job = shell(`i=0; while [ $i -lt ${lines} ]; do echo "line $i"; i=$((i + 1)); done; touch ${dir}/printed; sleep 300`)
      await server.run(job)
      await reached(join(dir, 'printed'))
      // Chunks close after 100 ms.
      await sleep(300)
      await worker.kill()
      server.judge = () => undefined
      return job
    }

    test('delivers what its predecessor had captured, says that it died, and no longer lists its attempt', async () => {
      const job = await printedAndKilled(1_500)
      worker.restart()
      const hello = await server.hello(2)
      expect(isRunning(job)).toBe(false)
      expect(hello.attempts).toEqual([])
      expect(hello.spooled).toEqual([expect.objectContaining({ instanceId: job.instanceId, attempt: 1 })])
      const texts = await server.sealed(job)
      expect(texts.slice(0, -1)).toEqual(count(1_500))
      expect(texts.at(-1)).toContain('the worker died here')
      expect(server.logs.lines(job).at(-1)?.flags).toBe(LineFlag.MARKER)
      expect(server.logs.sealed.get(attemptKeyString(job))?.losses).toEqual([{ reason: 'worker-died', at: 1_500, lines: null, bytes: null }])
      expect(server.endOf(job)).toBeUndefined()
    })

    test('delivers an end and a log that had not been acknowledged', async () => {
      await begin()
      server.script('finished', () => 'silent')
      server.judge = () => 'busy'
      const job = shell('echo whole')
      await server.run(job)
      await waitFor(() => readdirSync(worker.spoolDir, { recursive: true }).length > 0 && !isRunning(job), { ...WAIT, what: 'its end' })
      await sleep(500)
      await worker.kill()
      server.script('finished', () => undefined)
      server.judge = () => undefined
      worker.restart()
      expect((await server.hello(2)).attempts).toEqual([expect.objectContaining({ instanceId: job.instanceId })])
      expect(await server.end(job)).toMatchObject({ status: 'SUCCEEDED', log: { lines: 1, losses: [] } })
      expect(await server.sealed(job)).toEqual(['whole'])
    })

    test('drops what the server has sealed meanwhile, or no longer knows', async () => {
      const job = await printedAndKilled(10)
      server.script('resume', () => ({ value: { results: [{ state: 'unknown', ranges: [] }] } }))
      worker.restart()
      await server.hello(2)
      await waitFor(() => !existsSpooled(job), { ...WAIT, what: 'its spool to be empty' })
      expect(server.logs.chunks(job)).toEqual([])
      function existsSpooled({ instanceId }: AttemptKey): boolean {
        return readdirSync(worker.spoolDir, { recursive: true, encoding: 'utf8' }).some((name) => name.includes(instanceId))
      }
    })

    test('goes on where the last record is torn', async () => {
      const job = await printedAndKilled(3_000)
      server.logs.forgetSent()
      const file = spoolFile(job)
      truncateSync(file, statSync(file).size - 5)
      worker.restart()
      const texts = await server.sealed(job)
      expect(texts.slice(0, -1)).toEqual(count(texts.length - 1))
      expect(texts.length).toBeGreaterThan(1_000)
      expect(texts.at(-1)).toContain('the worker died here')
    })

    test('puts a marker in the place of what a damaged disk has lost, and delivers what is behind it', async () => {
      const job = await printedAndKilled(3_000)
      server.logs.forgetSent()
      const file = spoolFile(job)
      const bytes = readFileSync(file)
      const at = Math.floor(bytes.length * 0.6)
      bytes.fill(0x2a, at, at + 64)
      writeFileSync(file, bytes)
      worker.restart()
      const texts = await server.sealed(job)
      const losses = server.logs.sealed.get(attemptKeyString(job))?.losses ?? []
      expect(losses.map(({ reason }) => reason)).toContain('damaged')
      const [damaged] = losses
      expect(texts.slice(0, damaged?.at)).toEqual(count(damaged?.at ?? 0))
      expect(texts[damaged?.at ?? 0]).toContain('damaged')
      const lost = damaged?.lines ?? expect.fail('nobody knows how many')
      expect(texts.slice((damaged?.at ?? 0) + 1, -1)).toEqual(count(3_000).slice((damaged?.at ?? 0) + lost))
    })
  })

  test('a log message names the chunks of several logs, and stays within its bounds', async () => {
    await begin({ slots: 8 })
    server.script<LogMessage>('log', (_, { chunks }) => {
      if (chunks.length > 64) server.problems.push(`${chunks.length} chunks in a message`)
      return { delayMs: 20 }
    })
    const jobs = Array.from({ length: 8 }, () => shell('i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done'))
    await server.run(...jobs)
    for (const job of jobs) expect(await server.sealed(job)).toEqual(count(3_000))
  })
}
