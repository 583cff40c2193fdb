import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Assignment } from '@jobtrail/shared/protocol/worker'
import { GuardClient } from '../guard/guard-client.js'
import { isAlive } from '../guard/processes.js'
import { sampleAssignment, sampleContext, silentLog, temporaryFolder } from '../testing/samples.js'
import { ShellRunner } from './shell.js'

/** The guard is a process of its own, so it runs as built. */
const GUARD = fileURLToPath(new URL('../../dist/guard/guard.js', import.meta.url))

describe('shell', () => {
  let folder: ReturnType<typeof temporaryFolder>
  let guard: GuardClient
  let runner: ShellRunner
  beforeAll(() => {
    folder = temporaryFolder()
    guard = new GuardClient(silentLog, GUARD)
    runner = new ShellRunner({ runsDir: join(folder.path, 'runs'), guard, log: silentLog, env: process.env, leftoverGraceMs: 400 })
  })
  afterAll(() => {
    guard.close()
    folder.remove()
  })

  const start = (changes: Partial<Assignment>) => {
    const context = sampleContext(sampleAssignment(changes))
    return { context, execution: runner.start(context) }
  }
  const script = (text: string, changes: Partial<Assignment> = {}) => start({ processor: { kind: 'shell', script: text }, ...changes })
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
    const missing = start({ processor: { kind: 'shell', command: '/no/such' } })
    expect(await missing.execution.done).toMatchObject({ isSuccess: false, exitCode: null, error: 'Could not start: /no/such was not found on this worker' })
    expect(missing.context.events).toEqual([])
    expect(await start({ processor: { kind: 'shell', script: 'pwd', cwd: '/no/such' } }).execution.done).toMatchObject({
      error: 'Could not start: the working directory /no/such does not exist on this worker',
    })
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

  it.runIf(existsSync('/proc/self/environ'))('leaves nothing running when killed, also what left its group', async () => {
    const { context, execution } = script('sleep 100 & echo $!; setsid sh -c "echo \\$\\$; exec sleep 100" & sleep 100')
    await until(() => context.stream.text.stdout.split('\n').length === 3)
    const pids = context.stream.text.stdout.trim().split('\n').map(Number)
    execution.kill('fenced')
    expect(await execution.done).toMatchObject({ isSuccess: false, signal: 'SIGKILL' })
    for (const pid of pids) await until(() => !isAlive(pid))
  })
})
