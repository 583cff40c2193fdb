import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { Cgroups, ownCgroup } from '../guard/cgroups.js'
import { GuardClient } from '../guard/guard-client.js'
import type { AttemptGroup } from '../guard/kill-pass.js'
import { MarkerReader } from '../guard/markers.js'
import { isAlive } from '../guard/processes.js'
import { Reaper } from '../guard/reaper.js'
import { needsLinux, needsOrdinaryUser, needsRoot } from '../testing/needs.js'
import { sampleAssignment, sampleContext, silentLog, temporaryFolder } from '../testing/samples.js'
import { findJobUser, openTheWay } from './job-user.js'
import { startFailure } from './runner.js'
import { type ShellOptions, ShellRunner } from './shell.js'

/** The guard is a process of its own, so it runs as built. */
const GUARD = fileURLToPath(new URL('../../dist/guard/guard.js', import.meta.url))

const thrownBy = (call: () => unknown): unknown => {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('shell', () => {
  let folder: ReturnType<typeof temporaryFolder>
  let guard: GuardClient
  let runner: ShellRunner
  let options: ShellOptions
  beforeAll(() => {
    folder = temporaryFolder()
    guard = new GuardClient(silentLog, GUARD)
    const reaper = new Reaper(silentLog)
    options = { runsDir: join(folder.path, 'runs'), guard, reaper, cgroups: undefined, log: silentLog, env: process.env, leftoverGraceMs: 400 }
    runner = new ShellRunner(options)
  })
  afterAll(() => {
    guard.close()
    folder.remove()
  })

  const start = (changes: Partial<Assignment>, with_: ShellRunner = runner) => {
    const context = sampleContext(sampleAssignment(changes))
    return { context, execution: with_.start(context) }
  }
  const script = (text: string, changes: Partial<Assignment> = {}, with_: ShellRunner = runner) =>
    start({ processor: { kind: 'shell', script: text }, ...changes }, with_)
  const until = (condition: () => boolean) => expect.poll(condition, { interval: 5, timeout: 2_000 }).toBe(true)

  it('gives the process its params and secrets, and takes its output and result', async () => {
    const { context, execution } = script(
      'echo "$JOBTRAIL_PARAM_N $PW"; cat "$JOBTRAIL_PARAMS_FILE"; echo oops > /dev/stderr; echo \'{"rows":3}\' > "$JOBTRAIL_RESULT_FILE"',
      {
        params: { n: 7 },
        secrets: { PW: 'sesame' },
      },
    )
    expect(await execution.done).toEqual({ isSuccess: true, exitCode: 0, signal: null, error: null, result: { rows: 3 } })
    expect(context.stream.text).toEqual({ stdout: '7 sesame\n{"n":7}', stderr: 'oops\n' })
    expect(context.events).toEqual(['started'])
    expect(readdirSync(join(folder.path, 'runs'))).toEqual(['pipes'])
  })

  it('fails with its exit code, its signal, or what kept it from starting', async () => {
    expect(await script('exit 3').execution.done).toMatchObject({ isSuccess: false, exitCode: 3, error: 'Exit code 3' })
    expect(await script('kill -9 $$').execution.done).toMatchObject({ isSuccess: false, signal: 'SIGKILL', error: 'Killed by SIGKILL' })
    expect(() => start({ processor: { kind: 'shell', command: '/no/such' } })).toThrow('Could not start: /no/such was not found on this worker')
    expect(() => start({ processor: { kind: 'shell', script: 'pwd', cwd: '/no/such' } })).toThrow(
      'Could not start: the working directory /no/such does not exist on this worker',
    )
  })

  it.each<[string, Partial<Assignment>, string]>([
    ['more than the kernel takes', { params: { a: 'x'.repeat(200_000) } }, 'larger than a process may have'],
    ['a param that no variable can hold', { params: { a: 'a\0b' } }, 'the variable JOBTRAIL_PARAM_A holds U+0000'],
    ['an argument that is no text', { processor: { kind: 'shell', command: 'true', args: ['a\0b'] } }, 'Could not start'],
  ])('never starts with %s, says so for good, and leaves nothing behind', (_what, changes, error) => {
    const fault = thrownBy(() => script('true', changes))
    expect(startFailure(fault)).toMatchObject({ isSuccess: false, isFinal: true, error: expect.stringContaining(error) })
    expect(readdirSync(join(folder.path, 'runs'))).toEqual(['pipes'])
  })

  it('fails by a real-time signal, for which Node has no name and reports exit code 0', async (test) => {
    needsLinux(test)
    expect(await script('kill -35 $$').execution.done).toMatchObject({ isSuccess: false, exitCode: null, signal: '35', error: 'Killed by signal 35' })
    // Somebody else held the output for longer.
    expect(await script('exec >&- 2>&-; sleep 0.05; exit 0').execution.done).toMatchObject({ isSuccess: true, exitCode: 0 })
  })

  it('ends politely, and by force when that is not heeded', async () => {
    const polite = script('trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.02; done')
    await until(() => polite.context.stream.text.stdout === 'up\n')
    polite.execution.stop('Cancelled')
    expect(await polite.execution.done).toMatchObject({ exitCode: 0 })
    expect(polite.context.stream.text.stdout).toBe('up\nbye\n')
    const stubborn = script('trap "" TERM; echo up; while :; do sleep 0.02; done')
    await until(() => stubborn.context.stream.text.stdout === 'up\n')
    stubborn.execution.stop('Cancelled')
    expect(await stubborn.execution.done).toMatchObject({ signal: 'SIGKILL' })
  })

  it('reads what children still print after it ended, and kills those that hold its output too long', async () => {
    const brief = script('(sleep 0.02; echo late) & echo now')
    expect(await brief.execution.done).toMatchObject({ isSuccess: true })
    expect(brief.context.stream.text.stdout).toBe('now\nlate\n')
    const long = script('setsid sh -c "echo \\$\\$; exec sleep 100" & sleep 0.05')
    expect(await long.execution.done).toMatchObject({ isSuccess: true })
    const pid = Number(long.context.stream.text.stdout)
    expect(pid).toBeGreaterThan(1)
    await until(() => !isAlive(pid))
  })

  it('ends what a script that succeeded left in the background, and names it', async () => {
    const { context, execution } = script('echo $$; setsid sleep 100 > /dev/null 2>&1 & echo $!')
    expect(await execution.done).toMatchObject({
      isSuccess: true,
      error: expect.stringMatching(/^Ended what it left in the background: (sleep|setsid|sh) \(\d+\)$/),
    })
    const [, pid = 0] = context.stream.text.stdout.trim().split('\n').map(Number)
    expect(isAlive(pid)).toBe(false)
  })

  describe.each([
    ['with control groups', true],
    ['by its markers', false],
  ])('%s', (_how, hasCgroups) => {
    let cgroups: Cgroups | undefined
    let contained: ShellRunner
    beforeAll(() => {
      cgroups = hasCgroups ? Cgroups.open(`jobtrail-spec-${process.pid}`) : undefined
      contained = new ShellRunner({ ...options, cgroups, runsDir: join(folder.path, `runs-${hasCgroups}`) })
    })
    afterAll(() => cgroups?.close())
    beforeEach((test) => {
      needsLinux(test)
      test.skip(hasCgroups && cgroups === undefined, 'needs cgroup v2 with cgroup.kill, and a user who may make groups in it')
    })

    /** Each way to leave a group writes the process ID of what goes on, then goes on. */
    it.each([
      ['in a session of its own', 'setsid sh -c "$STAY" &'],
      ['without its environment', 'env -i STAY="$STAY" PIDS="$PIDS" PATH="$PATH" setsid sh -c "$STAY" &'],
      ['whose parents are gone', '(setsid sh -c \'setsid sh -c "$STAY" & exit\' &) '],
      ['in another control group', `sh -c 'echo $$ > "$OTHER/cgroup.procs"; exec setsid sh -c "$STAY"' 2> /dev/null &`],
      ['that ignores signals', 'setsid sh -c \'trap "" TERM HUP INT; sh -c "$STAY"\' &'],
    ])('leaves nothing running %s when it is killed', async (_what, leave) => {
      const pids = join(folder.path, `pids-${Math.random()}`)
      const STAY = 'exec > /dev/null 2>&1; echo $$ >> "$PIDS"; while :; do sleep 1; done'
      const { execution } = script(`${leave}\n sleep 100`, { secrets: { STAY, PIDS: pids, OTHER: ownCgroup() ?? '' } }, contained)
      const left = () => (existsSync(pids) ? readFileSync(pids, 'utf8').split('\n').slice(0, -1).map(Number) : [])
      await until(() => left().length === 1)
      execution.kill('fenced')
      expect(await execution.done).toMatchObject({ isSuccess: false, signal: 'SIGKILL' })
      expect(left().filter(isAlive)).toEqual([])
    })

    it('ends a process that hops from fork to fork', async () => {
      const trail = join(folder.path, `trail-${hasCgroups}`)
      // Each generation lives for some milliseconds; the bound is for a test that fails.
      const HOP = 'echo x >> "$TRAIL"; [ "$N" -lt 3000 ] || exit; N=$((N + 1)) setsid sh -c "$HOP" > /dev/null 2>&1 &'
      const { execution } = script('setsid sh -c "$HOP" & sleep 100', { secrets: { HOP, TRAIL: trail, N: '0' } }, contained)
      const length = () => (existsSync(trail) ? readFileSync(trail, 'utf8').length : 0)
      await until(() => length() > 4)
      execution.kill('fenced')
      await execution.done
      const ended = length()
      expect(ended).toBeLessThan(6_000)
      await new Promise((resolve) => setTimeout(resolve, 30))
      expect(length()).toBe(ended)
    })
  })

  describe('as another user', () => {
    it('needs root, and says so', (test) => {
      needsOrdinaryUser(test)
      expect(() => findJobUser('nobody')).toThrow('only a worker that runs as root')
    })

    it('runs with the rights of that user alone, in a folder of its own', async (test) => {
      needsRoot(test)
      for (const text of ['no-such-user', '']) expect(() => findJobUser(text)).toThrow('must be the name or ID of a user')
      for (const text of ['root', '0']) expect(() => findJobUser(text)).toThrow('must be a user of fewer rights')
      const user = findJobUser('nobody')
      expect(findJobUser(String(user.uid))).toEqual(user)
      const runsDir = join(folder.path, 'runs-user')
      openTheWay(user, folder.path, runsDir)
      const secret = join(folder.path, 'outbox.jsonl')
      writeFileSync(secret, 'of the worker', { mode: 0o600 })
      const text = `id -u; id -G; echo "$HOME $USER"; echo again > /dev/stdout; cat "$JOBTRAIL_PARAMS_FILE"; ls -ld "$(dirname "$JOBTRAIL_PARAMS_FILE")" | cut -c1-10
        cat '${secret}'; ls '${runsDir}'; echo x > "$(dirname "$JOBTRAIL_PARAMS_FILE")/../group"; ln -s '${secret}' "$(dirname "$JOBTRAIL_PARAMS_FILE")/link"; setsid sleep 100 &
        echo 1 > "$JOBTRAIL_RESULT_FILE"`
      const { context, execution } = script(text, { params: { n: 1 } }, new ShellRunner({ ...options, user, runsDir }))
      expect(await execution.done).toMatchObject({ isSuccess: true, result: 1 })
      expect(context.stream.text.stdout).toBe(`${user.uid}\n${user.gid}\n${user.home} ${user.name}\nagain\n{"n":1}drwx------\n`)
      expect(context.stream.text.stderr.match(/Permission denied/g)).toHaveLength(3)
      expect(readdirSync(runsDir)).toEqual(['pipes'])
      expect(readFileSync(secret, 'utf8')).toBe('of the worker')
    })
  })

  it('says what cannot be ended after the bound, and keeps its slot until it is gone', async () => {
    let setGone: () => void = () => undefined
    const gone = new Promise<void>((resolve) => (setGone = resolve))
    const reaper = { end: (_attempt: AttemptGroup) => Promise.resolve({ ended: 'dd (7)', left: 'dd (7)', gone }) }
    const stuck = new ShellRunner({ ...options, reaper, runsDir: join(folder.path, 'runs-stuck') })
    const { execution } = script('exit 3', {}, stuck)
    expect(await execution.done).toMatchObject({ exitCode: 3, error: 'Exit code 3', killProblem: 'dd (7)' })
    let isReleased = false
    void execution.released.then(() => (isReleased = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isReleased).toBe(false)
    setGone()
    await execution.released
    expect(readdirSync(join(folder.path, 'runs-stuck'))).toEqual(['pipes'])
  })

  it('does not leave a process alone when the worker fails after its start, and no descriptor open however it fails', async (test) => {
    needsLinux(test)
    const descriptors = () => readdirSync('/proc/self/fd').length
    await script('true').execution.done
    const before = descriptors()
    const pid: number[] = []
    const faulty = Object.assign(Object.create(guard) as GuardClient, {
      started: ({ group }: AttemptGroup) => {
        pid.push(group ?? 0)
        throw new Error('EMFILE: too many open files')
      },
    })
    const failing = new ShellRunner({ ...options, guard: faulty, runsDir: join(folder.path, 'runs-failing') })
    const { execution } = script('sleep 100', {}, failing)
    expect(await execution.done).toMatchObject({ isSuccess: false, error: 'The worker could not look after the process: EMFILE: too many open files' })
    expect(pid.filter(isAlive)).toEqual([])
    await execution.released
    expect(() => start({ processor: { kind: 'shell', command: 'true', args: ['a\0b'] } })).toThrow('null bytes')
    await until(() => descriptors() <= before)
    expect(readdirSync(join(folder.path, 'runs-failing'))).toEqual(['pipes'])
  })

  it('with any number of free descriptors runs or fails, and leaves no process, descriptor or folder behind', async (test) => {
    needsLinux(test)
    const dist = fileURLToPath(new URL('../../dist', import.meta.url))
    const fixture = fileURLToPath(new URL('../testing/few-descriptors.mjs', import.meta.url))
    const command = 'ulimit -n 256; exec "$0" "$@"'
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command, process.execPath, fixture, dist, join(folder.path, 'few')])
    const { outcomes, ...rest } = JSON.parse(stdout) as { outcomes: string[] }
    expect(rest).toEqual({ leaked: 0, runs: ['pipes'] })
    expect([outcomes[0], outcomes.at(-1)]).toEqual(['refused', 'ran'])
    const keys = new Set(outcomes.map((_, n) => `few-descriptors_0_${n}`))
    const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
    const markers = new MarkerReader(keys)
    expect(pids.filter((pid) => markers.keyOf(pid) !== undefined && isAlive(pid))).toEqual([])
  })
})
