import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REPO_ROOT, WORKER_MAIN } from '@jobtrail/deploy/paths'
import { waitFor, withTimeout } from '@jobtrail/deploy/wait'
import { WorkerPage, type WorkerView } from '@jobtrail/api/cluster'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import {
  createAndRun,
  createJob,
  getInstance,
  handlerJob,
  logPage,
  runJob,
  shellJob,
  uniqueName,
  waitForInstance,
  waitForSealed,
} from '../support/factories.js'

const EXIT_MS = 60_000

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a program to its end, with nothing of Jobtrail in its environment but what is given. */
async function runProgram(args: readonly string[], env: Record<string, string> = {}, cwd?: string): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  const out = { stdout: '', stderr: '' }
  child.stdout.on('data', (bytes: Buffer) => (out.stdout += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (out.stderr += bytes.toString()))
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve)
    child.once('error', reject)
  })
  try {
    return { code: await withTimeout(ended, EXIT_MS, `node ${args.join(' ')} to end`), ...out }
  } finally {
    child.kill('SIGKILL')
  }
}

const runWorker = (args: readonly string[], env?: Record<string, string>): Promise<Ended> => runProgram([WORKER_MAIN, ...args], env)

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'jobtrail-cli-'))
  return () => rmSync(folder, { recursive: true, force: true })
})

describe('the command line', () => {
  const right = { JOBTRAIL_SERVER: 'http://127.0.0.1:9', JOBTRAIL_TOKEN: 'jtw_secret-of-a-test' }

  test.each<[what: string, args: string[], env: Record<string, string>, ...named: string[]]>([
    ['nothing', [], {}, '--server (JOBTRAIL_SERVER): missing', '--token (JOBTRAIL_TOKEN): missing', '--token-file'],
    ['an address that is none', ['--server', 'localhost:7700'], right, '--server (JOBTRAIL_SERVER): ', 'localhost:7700', 'must be the URL'],
    ['no slot', ['--slots', '0'], right, '--slots (JOBTRAIL_SLOTS): "0" is wrong; must be a whole number from 1 to 10000'],
    [
      'a wrong environment variable',
      [],
      { ...right, JOBTRAIL_SPOOL_LIMIT_BYTES: '10 MB' },
      '--spool-limit-bytes (JOBTRAIL_SPOOL_LIMIT_BYTES): "10 MB" is wrong',
    ],
    [
      'a log level that is none',
      [],
      { ...right, JOBTRAIL_LOG_LEVEL: 'loud' },
      '--log-level (JOBTRAIL_LOG_LEVEL): "loud" is wrong; must be one of trace, debug, info, warn, error, fatal',
    ],
    ['a group that is no name', ['--group', 'a b'], right, '--group (JOBTRAIL_GROUP): "a b" is wrong'],
    [
      'several wrong at once',
      ['--slots', 'x'],
      { ...right, JOBTRAIL_DRAIN_TIMEOUT_MS: 'soon' },
      '--slots (JOBTRAIL_SLOTS): "x"',
      '--drain-timeout (JOBTRAIL_DRAIN_TIMEOUT_MS): "soon"',
    ],
    ['an option whose value looks like an option', ['--drain-timeout', '-1s'], right, "'--drain-timeout"],
    ['an unknown option', ['--sltos', '4'], right, "'--sltos'", '--help lists the options'],
    ['an option without its value', ['--token'], right, '--token'],
    ['a word too many', ['start'], right, "'start'"],
    ['a module of handlers that is not there', ['--handlers', './nowhere.mjs'], right, '--handlers (JOBTRAIL_HANDLERS): ./nowhere.mjs cannot be loaded'],
    ['a module without handlers', [], { ...right, JOBTRAIL_HANDLERS: join(REPO_ROOT, 'package.json') }, '--handlers (JOBTRAIL_HANDLERS)'],
    ['a user that is none, or not told by root', ['--run-as-user', 'no-such-user'], right, '--run-as-user (JOBTRAIL_RUN_AS_USER): '],
    [
      'a user for handlers',
      ['--run-as-user', 'nobody', '--handlers', 'x.mjs'],
      right,
      '--run-as-user (JOBTRAIL_RUN_AS_USER): handlers run in the worker itself',
    ],
    ['a spool folder that cannot be', ['--spool-dir', '/dev/null/spool'], right, '--spool-dir (JOBTRAIL_SPOOL_DIR)', '/dev/null/spool'],
  ])('told %s, names what is wrong and ends with status 2', async (_what, args, env, ...named) => {
    const { code, stdout, stderr } = await runWorker(args, env)
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' })
    for (const text of named) expect(stderr).toContain(text)
    expect(stderr).toMatch(/^jobtrail-worker: /)
    expect(stderr).not.toContain('secret-of-a-test')
    // A message for people, not a crash.
    expect(stderr).not.toMatch(/^ +at /m)
  })

  test('explains every option with its environment variable, and needs nothing for it', async () => {
    const { code, stdout, stderr } = await runWorker(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const flag of [
      'server',
      'token',
      'token-file',
      'group',
      'tags',
      'slots',
      'spool-dir',
      'spool-limit-bytes',
      'name',
      'drain-timeout',
      'log-level',
      'handlers',
    ]) {
      expect(stdout).toMatch(new RegExp(`^ +--${flag} [A-Z,]+ +JOBTRAIL_[A-Z_]+ +\\S`, 'm'))
    }
    expect((await runWorker(['-h'])).stdout).toBe(stdout)
  })

  test('says its version', async () => {
    expect(await runWorker(['--version'])).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/), stderr: '' })
  })
})

describe('a worker', () => {
  const cluster = useCluster({ servers: 2, workers: 1, slots: 2 })

  test('refuses a spool folder that another worker uses, and does that one no harm', async () => {
    const { spoolDir } = cluster().worker(0)
    const token = await cluster().createWorkerToken()
    const { code, stderr } = await runWorker(['--server', cluster().url, '--spool-dir', spoolDir], { JOBTRAIL_TOKEN: token })
    expect(code, stderr).toBe(2)
    expect(stderr).toContain('--spool-dir (JOBTRAIL_SPOOL_DIR)')
    expect(stderr).toContain(spoolDir)
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob('echo unharmed'))
    expect(await waitForSealed(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', log: { lines: 1 } })
  })

  test('is healthy while it runs, whether or not a server answers, and not when it is dead', async () => {
    const spoolDir = join(folder, 'lonely')
    const health = (): Promise<Ended> => runWorker(['--health', '--spool-dir', spoolDir])
    expect(await health()).toMatchObject({ code: 1, stdout: `no worker runs on ${spoolDir}\n` })
    // Nobody listens there.
    const args = [WORKER_MAIN, '--server', 'http://127.0.0.1:9', '--token', 'jtw_x', '--spool-dir', spoolDir]
    const worker = spawn(process.execPath, args, { stdio: 'ignore', env: { PATH: process.env['PATH'] } })
    try {
      await waitFor(() => existsSync(join(spoolDir, 'health')), { timeoutMs: EXIT_MS, what: 'the worker to say that it is well' })
      expect(await health()).toEqual({ code: 0, stdout: 'healthy\n', stderr: '' })
      // As if its main loop had stood still for long.
      worker.kill('SIGSTOP')
      const before = new Date(Date.now() - 60_000)
      utimesSync(join(spoolDir, 'health'), before, before)
      expect(await health()).toMatchObject({ code: 1, stdout: expect.stringMatching(/^its main loop or its guard has been silent for 6\d s\n$/) })
      worker.kill('SIGKILL')
      await waitFor(() => worker.signalCode !== null, { timeoutMs: EXIT_MS, what: 'the worker to be dead' })
      expect(await health()).toMatchObject({ code: 1, stdout: `the worker with process ID ${worker.pid} does not run any more\n` })
    } finally {
      worker.kill('SIGKILL')
    }
  })

  test('shows its token to no job: neither its own process nor its guard has it in arguments or environment', async () => {
    const api = await cluster().api()
    const token = await cluster().createWorkerToken()
    const file = join(folder, 'token')
    writeFileSync(file, token, { mode: 0o600 })
    // However it is given: by variable, by argument (seen by every user otherwise), by file.
    const script =
      'exec 2> /dev/null; for f in environ cmdline; do for p in /proc/[0-9]*; do tr "\\0" "\\n" < $p/$f; done; done | grep -c "$NEEDLE_A$NEEDLE_B"; true'
    const half = token.length >> 1
    for (const args of [[], ['--token', token], ['--token-file', file]]) {
      const group = uniqueName('scrubbed')
      const given = args[0] === '--token-file' ? '' : token
      const worker = await cluster().addWorker({ token: given, args: [...args, '--group', group] })
      // The brackets keep grep from finding its own pattern.
      const params = { env: { NEEDLE_A: token.slice(0, half), NEEDLE_B: `[${token.charAt(half)}]${token.slice(half + 1)}` } }
      const job = shellJob(script, { routing: { group }, processor: { kind: 'shell', script, ...params } })
      const { instanceId } = await createAndRun(api, job)
      expect(await waitForSealed(api, instanceId)).toMatchObject({ status: 'SUCCEEDED' })
      expect((await logPage(api, instanceId)).lines.map(({ text }) => text)).toEqual(['0'])
      await worker.stop(EXIT_MS)
    }
  })

  test('takes the spool folder of one that was killed, and is the same worker', async () => {
    const worker = cluster().worker(0)
    const api = await cluster().api()
    const seen = async (): Promise<WorkerView[]> => (await api.get('/api/workers', WorkerPage)).items.filter(({ name }) => name === worker.name)
    const [before] = await seen()
    expect(before).toMatchObject({ state: 'connected' })
    await worker.kill()
    worker.start()
    const connectedAgain = ({ state, connectedAt }: WorkerView): boolean => state === 'connected' && connectedAt !== before?.connectedAt
    await waitFor(async () => (await seen()).some(connectedAgain), { timeoutMs: EXIT_MS, what: 'the worker to be connected again' })
    expect((await seen()).map(({ id }) => id)).toEqual([before?.id])
  })

  test('finishes what it runs and takes nothing new when it is asked to stop, then ends with status 0', async () => {
    const api = await cluster().api()
    const stopping = await cluster().addWorker({ args: ['--group', 'stopping'] })
    await cluster().waitForWorkers()
    const file = join(folder, 'go-on')
    const job = await createJob(api, shellJob(`echo begun; until [ -e '${file}' ]; do sleep 0.05; done; echo ended`, { routing: { group: 'stopping' } }))
    const running = await runJob(api, job.id)
    await waitForInstance(api, running, 'has begun', ({ log }) => log.lines > 0)
    const ended = stopping.stop(EXIT_MS)
    await waitFor(() => stopping.logs().includes('"draining"'), { timeoutMs: EXIT_MS, what: 'the worker to drain' })
    const later = await runJob(api, job.id)
    await waitForInstance(api, later, 'waits', ({ status, waitingFor }) => status === 'WAITING' && waitingFor !== null)
    writeFileSync(file, '')
    expect(await ended).toEqual({ code: 0, signal: null })
    // It was sealed before the worker left: nobody is there to do it now.
    expect(await waitForSealed(api, running)).toMatchObject({ status: 'SUCCEEDED', attempts: [{ attempt: 1 }], log: { state: 'sealed', lines: 2 } })
    expect(await getInstance(api, later)).toMatchObject({ status: 'WAITING', attempt: 0 })
    await api.post(`/api/instances/${later}/cancel`)
  })
})

describe('a program made with the SDK', () => {
  const cluster = useCluster({ servers: 2, workers: 0 })
  let project = ''

  /** What a user has: a folder with a program and the package in node_modules. */
  const PROGRAM = `
    import { createWorker } from '@jobtrail/worker'

    const worker = createWorker({ server: process.env.SERVER, token: process.env.TOKEN, group: 'reports', tags: ['daily'], slots: 4, spoolDir: './spool', logLevel: 'warn' })

    worker.handle('report', async (ctx) => {
      ctx.log.info('report for', ctx.params.day)
      for (const step of [1, 2]) {
        console.log('step', step)
        ctx.progress(step * 50, 'step ' + step)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      if (ctx.params.day === 'sunday') throw new Error('closed on sundays')
      return { day: ctx.params.day, attempt: ctx.attempt, isAborted: ctx.signal.aborted }
    })

    console.log('the program prints for itself')
    await worker.start()
    process.once('SIGTERM', async () => {
      await worker.stop()
      console.log('stopped')
    })`

  beforeAll(() => {
    project = join(folder, 'project')
    mkdirSync(join(project, 'node_modules/@jobtrail'), { recursive: true })
    symlinkSync(join(REPO_ROOT, 'worker'), join(project, 'node_modules/@jobtrail/worker'))
    writeFileSync(join(project, 'worker.mjs'), PROGRAM)
  })
  afterAll(() => rmSync(project, { recursive: true, force: true }))

  test('runs its handlers and shell jobs, keeps its own output, and ends by itself when it is stopped', async () => {
    const token = await cluster().createWorkerToken()
    const child = spawn(process.execPath, ['worker.mjs'], {
      cwd: project,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], SERVER: cluster().url, TOKEN: token },
    })
    let printed = ''
    child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    try {
      const api = await cluster().api()
      const routing = { group: 'reports', tags: ['daily'] }
      const job = await createJob(api, handlerJob('report', { routing }))
      const [monday, sunday] = await Promise.all(['monday', 'sunday'].map((day) => runJob(api, job.id, { params: { day } })))
      const shell = await createAndRun(api, shellJob('echo from a shell', { routing }))
      const end = await waitForSealed(api, monday ?? '')
      expect(end).toMatchObject({ status: 'SUCCEEDED', result: { day: 'monday', attempt: 1, isAborted: false } })
      const { lines } = await logPage(api, end.id)
      expect(lines.map(({ stream, text }) => `${stream}: ${text}`)).toEqual(['stdout: INFO report for monday', 'stdout: step 1', 'stdout: step 2'])
      const failed = await waitForSealed(api, sunday ?? '')
      expect(failed).toMatchObject({ status: 'FAILED', attempts: [{ error: expect.stringContaining('closed on sundays') }] })
      expect((await logPage(api, failed.id)).lines).toContainEqual(
        expect.objectContaining({ stream: 'stderr', text: expect.stringContaining('Error: closed on sundays') }),
      )
      expect(await waitForSealed(api, shell.instanceId)).toMatchObject({ status: 'SUCCEEDED', log: { lines: 1 } })
      child.kill('SIGTERM')
      expect(await withTimeout(ended, EXIT_MS, 'the program to end')).toBe(0)
      expect(printed).toBe('the program prints for itself\nstopped\n')
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('is told what is wrong by an error that names the setting', async () => {
    const program = join(project, 'wrong.mjs')
    writeFileSync(
      program,
      `import { ConfigError, createWorker } from '@jobtrail/worker'
       const messages = [{ token: 't' }, { server: 'http://lb', token: 't', slots: 0 }, { server: 'http://lb', token: 't', sltos: 1 }].map((options) => {
         try {
           createWorker(options)
         } catch (error) {
           return error instanceof ConfigError ? error.message : 'another error: ' + error
         }
       })
       console.log(JSON.stringify(messages))`,
    )
    const { code, stdout, stderr } = await runProgram([program], {}, project)
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout)).toEqual([
      expect.stringContaining('--server (JOBTRAIL_SERVER): missing'),
      expect.stringContaining('--slots (JOBTRAIL_SLOTS): 0 is wrong'),
      expect.stringContaining('sltos'),
    ])
  })
})
