import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { findProgram, runCommand } from '@jobtrail/deploy/command'
import { WorkerPage } from '@jobtrail/api/cluster'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, logPage, shellJob, uniqueName, waitForSealed } from '../support/factories.js'
import { plainRequest } from '../support/plain-http.js'

const PATH = '/downloads/jobtrail-worker.tgz'
const END_MS = 60_000

const cluster = useCluster({ servers: 2, workers: 0 })
let folder = ''
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'jobtrail-downloads-'))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Downloads the worker's package without a sign-in and unpacks it in an empty folder; returns the program. */
async function unpack(from: string): Promise<string> {
  const dir = join(folder, uniqueName('empty'))
  mkdirSync(dir)
  const response = await new ApiClient(from).raw('GET', PATH)
  expect(response.status).toBe(200)
  writeFileSync(join(dir, 'worker.tgz'), Buffer.from(await response.arrayBuffer()))
  await runCommand('tar', ['xzf', join(dir, 'worker.tgz'), '-C', dir], { timeoutMs: END_MS })
  expect(readdirSync(dir).toSorted()).toEqual(['package', 'worker.tgz'])
  return join(dir, 'package/dist/bundle/main.js')
}

/** Runs the program to its end, with nothing of Jobtrail in its environment but what is given. */
function run(program: string, args: readonly string[], env: Record<string, string> = {}): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8', timeout: END_MS, env: { PATH: process.env['PATH'] ?? '', ...env } })
}

describe('the package of the worker', () => {
  test('is the same from every server and through the load balancer, and is asked for by its tag', async () => {
    const ask = async (url: string, method: string, headers: Record<string, string> = {}) => {
      const answer = await plainRequest(new URL(PATH, url), { method, headers })
      const { 'content-type': type, 'content-length': length, etag } = answer.headers
      return { status: answer.status, type, length, etag, digest: createHash('sha256').update(answer.body).digest('hex') }
    }
    const urls = [cluster().server(0).url, cluster().server(1).url, cluster().url]
    const [first, ...others] = await Promise.all(urls.map((url) => ask(url, 'GET')))
    expect(first).toMatchObject({ status: 200, type: 'application/gzip', etag: expect.stringMatching(/^"[\w-]+"$/) })
    for (const answer of others) expect(answer).toEqual(first)
    const digest = createHash('sha256').digest('hex')
    for (const url of urls) {
      expect(await ask(url, 'HEAD')).toEqual({ ...first, digest })
      expect(await ask(url, 'GET', { 'if-none-match': first?.etag ?? '' })).toMatchObject({ status: 304, etag: first?.etag, digest })
    }
  })

  test('is a file for a browser too, and what is not there is a problem, not a page', async () => {
    const headers = { accept: 'text/html' }
    const file = await new ApiClient(cluster().url).raw('GET', PATH, { headers })
    expect(file.headers.get('content-type')).toBe('application/gzip')
    await file.body?.cancel()
    const missing = await new ApiClient(cluster().url).raw('GET', '/downloads/other.tgz', { headers })
    expect([missing.status, missing.headers.get('content-type')]).toEqual([404, expect.stringContaining('application/problem+json')])
    await missing.body?.cancel()
  })

  test('runs from each server as it is unpacked: it takes a job and delivers its log', async () => {
    const api = await cluster().api()
    for (const { url, name } of cluster().servers) {
      const main = await unpack(url)
      const group = uniqueName('unpacked')
      const worker = await cluster().addWorker({ main, server: url, args: ['--group', group] })
      const { instanceId } = await createAndRun(api, shellJob('echo one; echo two >&2; sleep 0.1 & wait', { routing: { group } }))
      expect(await waitForSealed(api, instanceId), name).toMatchObject({ status: 'SUCCEEDED', log: { state: 'sealed', lines: 2 } })
      expect((await logPage(api, instanceId)).lines.map(({ text }) => text).toSorted()).toEqual(['one', 'two'])
      expect(await worker.stop()).toEqual({ code: 0, signal: null })
    }
  })

  test('is installed by npm with nothing to fetch, as a command and as the SDK, which runs handlers in processes of their own', async () => {
    const prefix = join(folder, 'installed')
    // No registry there: whatever npm asked of one would fail.
    const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:9', npm_config_cache: join(folder, 'npm-cache'), npm_config_fetch_retries: '0' }
    await runCommand('npm', ['install', '--global', '--prefix', prefix, `${cluster().url}${PATH}`], { timeoutMs: END_MS, env })
    const { version } = JSON.parse(readFileSync(join(prefix, 'lib/node_modules/@jobtrail/worker/package.json'), 'utf8')) as { version: string }
    expect((await runCommand(join(prefix, 'bin/jobtrail-worker'), ['--version'], { timeoutMs: END_MS })).stdout).toBe(`${version}\n`)

    const group = uniqueName('sdk')
    writeFileSync(
      join(prefix, 'lib/handlers.mjs'),
      `export const greet = ({ log, params }) => { log.info('hello ' + params.name); return { greeted: params.name } }`,
    )
    writeFileSync(
      join(prefix, 'lib/program.mjs'),
      `import { createWorker } from '@jobtrail/worker'
       const worker = createWorker({ server: '${cluster().url}', token: process.env.JOBTRAIL_TOKEN, group: '${group}', spoolDir: ${JSON.stringify(join(folder, 'sdk-spool'))} })
       worker.handle('greet', { module: new URL('./handlers.mjs', import.meta.url) })
       await worker.start()
       process.once('SIGTERM', () => void worker.stop())`,
    )
    const worker = await cluster().addWorker({ main: join(prefix, 'lib/program.mjs'), args: [] })
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, {
      name: uniqueName('greet'),
      trigger: { kind: 'manual' },
      processor: { kind: 'handler', handler: 'greet' },
      params: { name: 'Ada' },
      routing: { group },
    })
    expect(await waitForSealed(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', result: { greeted: 'Ada' } })
    expect((await logPage(api, instanceId)).lines.map(({ text }) => text)).toEqual(['INFO hello Ada'])
    await worker.stop()
  })
})

describe('the worker that was unpacked', () => {
  let main = ''
  beforeAll(async () => {
    main = await unpack(cluster().url)
  })

  test('checks the host and its servers, and says what is wrong with the token, without becoming a worker', async () => {
    const api = await cluster().api()
    const known = async (): Promise<string[]> => (await api.get('/api/workers', WorkerPage)).items.map(({ id }) => id).toSorted()
    const before = await known()
    const spool = join(folder, 'never-made')
    const args = ['--check', '--server', cluster().url, '--spool-dir', spool]
    const good = run(main, args, { JOBTRAIL_TOKEN: await cluster().createWorkerToken() })
    expect(good.stdout).toMatch(/^ok {7}server http:\S+: it answers$/m)
    expect(good.stdout).toMatch(/^ok {7}clock: /m)
    expect(good.stdout).toMatch(/^ok {7}token at http:\S+: it is accepted$/m)
    expect([good.status, good.stderr], good.stdout).toEqual([0, ''])

    const bad = run(main, args, { JOBTRAIL_TOKEN: 'jtw_nonsense' })
    expect([bad.status, bad.stdout]).toEqual([
      1,
      expect.stringMatching(/^missing {2}token at \S+: it is refused \(.*UNAUTHENTICATED.*Make one in the console/m),
    ])
    const nowhere = run(main, ['--check', '--server', 'http://127.0.0.1:1', '--spool-dir', spool], { JOBTRAIL_TOKEN: 'jtw_nonsense' })
    expect([nowhere.status, nowhere.stdout]).toEqual([1, expect.stringMatching(/^missing {2}server http:\/\/127\.0\.0\.1:1: it does not answer/m)])

    expect(await known()).toEqual(before)
    expect(existsSync(spool)).toBe(false)
  })

  test('shows a unit that names it as it lies there, and that systemd understands where there is one to ask', async () => {
    const env = { JOBTRAIL_SERVER: cluster().url, JOBTRAIL_TOKEN: 'jtw_secret' }
    const { status, stdout, stderr } = run(main, ['--install', '--print', '--service-user', 'root'], env)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`ExecStart="${process.execPath}" "${main}"`)
    expect(stdout).not.toContain('jtw_secret')
    const analyze = findProgram('systemd-analyze')
    if (analyze === undefined) return
    const unit = join(folder, 'jobtrail-worker.service')
    writeFileSync(unit, stdout.slice(stdout.indexOf('[Unit]'), stdout.indexOf('\n# /etc/jobtrail')))
    // It also says what it thinks of other units of the machine: only ours matters.
    const { stdout: said, stderr: found } = await runCommand(analyze, ['verify', unit], { timeoutMs: END_MS })
    expect(`${said}${found}`.split('\n').filter((line) => line.includes('jobtrail-worker'))).toEqual([])
  })
})
