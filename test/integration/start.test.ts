import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { startReplicaSet } from '@jobtrail/deploy/mongod'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { freePort, portProblem } from '@jobtrail/deploy/ports'
import { ManagedProcess, type ProcessExit } from '@jobtrail/deploy/process'
import { startRedis } from '@jobtrail/deploy/redis'
import { withTimeout } from '@jobtrail/deploy/wait'
import { WorkerTokenPage } from '@jobtrail/api/auth'
import { ServerPage } from '@jobtrail/api/cluster'
import { InstancePage } from '@jobtrail/api/instances'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAndRun, logPage, shellJob, waitForSealed } from '../support/factories.js'
import { testInfra } from '../support/infra.js'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-start-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

// The compiled program without the bootstrap in front: the tests run on a build that is done.
const RUN = `import('${join(REPO_ROOT, 'deploy/dist/start.js')}').then(async ({ main }) => { process.exitCode = await main(process.argv.slice(1)) })`

// Nowhere else on the machine.
const PASSWORD = `start-test-${randomUUID()}`

let count = 0
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ManagedProcess {
  const child = new ManagedProcess({
    name: 'npm start',
    command: process.execPath,
    args: ['-e', RUN, '--', ...args],
    env: { ...process.env, TMPDIR: dir, JOBTRAIL_ADMIN_PASSWORD: PASSWORD, ...env },
    logFile: join(dir, `start-${count++}.log`),
    deathSignal: 'SIGTERM',
  })
  child.start()
  return child
}

/** A port with free ones after it, for the servers. */
async function freeRange(): Promise<number> {
  for (;;) {
    const port = await freePort()
    const problems = await Promise.all([1, 2, 3].map((offset) => portProblem(port + offset)))
    if (problems.every((problem) => problem === undefined)) return port
  }
}

function refusal(child: ManagedProcess): Promise<ProcessExit> {
  return withTimeout(child.exited(), 30_000, 'npm start to refuse')
}

async function end(child: ManagedProcess, signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
  child.signal(signal)
  await withTimeout(child.exited(), 60_000, 'npm start to end')
}

async function ready(child: ManagedProcess): Promise<void> {
  await child.waitUntil(() => child.log().includes('Ctrl-C ends everything'), { timeoutMs: 90_000, what: 'npm start was ready' })
}

const LOOPBACK = '0100007F'

/** The addresses that a TCP port is listened on, as /proc has them. */
async function listenersOf(port: number): Promise<string[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const sockets = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)))
  return sockets.flatMap(([, local = '', , state]) => (state === '0A' && local.endsWith(suffix) ? [local.slice(0, -suffix.length)] : []))
}

/** Lets a job, which runs as the same user as all that npm start started, look for its secrets wherever /proc shows processes. */
async function findNoSecrets(api: ApiClient): Promise<void> {
  const own = (await readdir(dir)).find((name) => name.startsWith('jobtrail-')) ?? expect.fail('npm start has no folder')
  const { secretKeys, workerToken } = JSON.parse(await readFile(join(dir, own, 'secrets.json'), 'utf8')) as {
    secretKeys: string
    workerToken: { token: string }
  }
  // In files, so that the job does not find its own search.
  const [secrets, known] = [join(dir, 'secrets.txt'), join(dir, 'known.txt')]
  await writeFile(secrets, [PASSWORD, secretKeys, workerToken.token].join('\n'))
  await writeFile(known, '--ephemeral')
  const search = (file: string): string => `cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2> /dev/null | tr '\\0' '\\n' | grep -acFf '${file}'`
  const { instanceId } = await createAndRun(api, shellJob(`${search(secrets)}; ${search(known)}; true`))
  await waitForSealed(api, instanceId)
  const [found, control] = (await logPage(api, instanceId)).lines.map(({ text }) => Number(text))
  expect(found).toBe(0)
  // It does see the arguments of npm start.
  expect(control).toBeGreaterThan(0)
}

describe('npm start', () => {
  test('runs the sample job on a fresh machine, prints its log, and leaves nothing behind', async () => {
    const port = await freeRange()
    const child = start(['--ephemeral', '--port', String(port), '--servers', '2'], { MONGODB_URI: '', REDIS_URL: '' })
    try {
      await ready(child)
      const output = child.log()
      expect(output).toMatch(/stdout \| step 5 of 5/)
      expect(output).toMatch(/sample job SUCCEEDED, log sealed with 8 lines/)
      expect(output).toContain(`admin / ${PASSWORD}`)
      const api = await ApiClient.login(`http://127.0.0.1:${port}`, 'admin', PASSWORD)
      expect(ServerPage.parse(await api.get('/api/servers')).items).toHaveLength(2)
      for (const offset of [1, 2]) await api.at(`http://127.0.0.1:${port + offset}`).get('/api/servers')
      expect(new Set((await Promise.all([1, 2].map((offset) => listenersOf(port + offset)))).flat())).toEqual(new Set([LOOPBACK]))
      expect(await listenersOf(port)).not.toEqual([LOOPBACK])
      await findNoSecrets(api)
    } finally {
      await end(child)
    }
    expect(await child.exited()).toEqual({ code: 0, signal: null })
    for (const offset of [0, 1, 2]) expect(await portProblem(port + offset)).toBeUndefined()
  })

  test('a taken port is named, and nothing is started', async () => {
    const port = await freeRange()
    const other = createServer().listen(port + 1, '127.0.0.1')
    try {
      const child = start(['--ephemeral', '--port', String(port)])
      expect(await refusal(child)).toEqual({ code: 1, signal: null })
      expect(child.log()).toMatch(new RegExp(`port ${port + 1}, for server 1, is taken .*--port`))
      expect(child.log()).not.toContain('starting')
    } finally {
      other.close()
    }
  })

  test('on Windows ends at once and says what to do, before anything is installed', () => {
    // Before all else, as the platform itself would have it.
    const preload = "data:text/javascript,Object.defineProperty(process,'platform',{value:'win32'})"
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', preload, join(REPO_ROOT, 'deploy/local/start.mjs')], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^jobtrail: Jobtrail runs on Linux\. On Windows, .*WSL 2.*\n$/)
  })

  test('a password that is too short ends with exit code 2, and nothing is started', async () => {
    const child = start(['--ephemeral'], { JOBTRAIL_ADMIN_PASSWORD: 'short' })
    expect(await refusal(child)).toEqual({ code: 2, signal: null })
    expect(child.log()).toContain('JOBTRAIL_ADMIN_PASSWORD has to have 10 characters or more')
    expect(child.log()).not.toContain('starting')
  })

  test('a folder of other things is left alone', async () => {
    const other = join(dir, 'other')
    await mkdir(join(other, 'logs'), { recursive: true })
    const child = start(['--data-dir', other])
    expect(await refusal(child)).toEqual({ code: 1, signal: null })
    expect(child.log()).toContain('holds other things')
  })

  test('a wrong option ends with exit code 2 and its name', async () => {
    const child = start(['--servers', 'many'])
    expect(await refusal(child)).toEqual({ code: 2, signal: null })
    expect(child.log()).toContain('--servers has to be a whole number')
  })

  test('a given MongoDB that cannot be reached is said so, and nothing is left running', async () => {
    const port = await freeRange()
    const nothing = await freePort()
    const child = start(['--ephemeral', '--port', String(port), '--mongodb-uri', `mongodb://127.0.0.1:${nothing}/x`])
    expect(await refusal(child)).toEqual({ code: 1, signal: null })
    expect(child.log()).toContain('the given MongoDB cannot be used')
  })

  test('uses the given MongoDB and Redis', async () => {
    const port = await freeRange()
    const { mongodbUri, redisUrl } = testInfra()
    const child = start(['--ephemeral', '--port', String(port), '--servers', '1', '--mongodb-uri', mongodbUri, '--redis-url', redisUrl])
    try {
      await ready(child)
      expect(child.log()).not.toContain('starting MongoDB')
      expect(child.log()).not.toContain('starting Redis')
    } finally {
      await end(child, 'SIGTERM')
    }
  })

  describe('in a folder that is kept', () => {
    let data = ''
    let port = 0
    let secrets = ''
    const own = { MONGODB_URI: '', REDIS_URL: '', JOBTRAIL_ADMIN_PASSWORD: '' }
    const args = (): string[] => ['--data-dir', data, '--port', String(port), '--servers', '1']
    const readSecrets = (): Promise<string> => readFile(join(data, 'secrets.json'), 'utf8')
    const signIn = async (): Promise<ApiClient> => {
      const { adminPassword } = JSON.parse(await readSecrets()) as { adminPassword: string }
      return ApiClient.login(`http://127.0.0.1:${port}`, 'admin', adminPassword)
    }

    beforeAll(async () => {
      data = join(dir, 'data')
      port = await freeRange()
      const first = start(args(), own)
      try {
        await ready(first)
        secrets = await readSecrets()
      } finally {
        await end(first)
      }
    })

    test('a wrong password is refused with what to do, and does not take the place of the one that is kept', async () => {
      const child = start([...args(), '--workers', '0'], { ...own, JOBTRAIL_ADMIN_PASSWORD: 'not-the-password' })
      expect(await refusal(child)).toEqual({ code: 1, signal: null })
      expect(child.log()).toContain('the password in JOBTRAIL_ADMIN_PASSWORD is not that of the user admin')
      expect(child.log()).toContain('or none to go on with the one kept in')
      expect(await readSecrets()).toBe(secrets)
    })

    test('the next start has the same password and worker token, and the runs of the first; another one beside it is refused', async () => {
      const second = start(args(), own)
      try {
        await ready(second)
        expect(await readSecrets()).toBe(secrets)
        const api = await signIn()
        expect(WorkerTokenPage.parse(await api.get('/api/worker-tokens?namespace=default')).items).toHaveLength(1)
        const [, first, ...more] = InstancePage.parse(await api.get('/api/instances?namespace=default')).items
        expect(more).toEqual([])
        expect(first).toMatchObject({ jobName: 'sample', status: 'SUCCEEDED' })
        expect(await api.text(`/api/instances/${first?.id}/logs/raw`)).toContain('step 5 of 5')

        const beside = start(['--data-dir', data, '--port', String(await freeRange())], own)
        expect(await refusal(beside)).toEqual({ code: 1, signal: null })
        expect(beside.log()).toMatch(new RegExp(`another Jobtrail \\(process ${second.pid}\\) uses .*--data-dir`))
      } finally {
        await end(second)
      }
    })

    test('is not used while a mongod or a Redis that is not ours runs in it', async () => {
      const set = await startReplicaSet({ dir: join(data, 'mongo') })
      try {
        const child = start(args(), own)
        expect(await refusal(child)).toEqual({ code: 1, signal: null })
        expect(child.log()).toContain(`a mongod (process ${set.members[0]?.process.pid}) runs in`)
      } finally {
        await set.stop()
      }
      const redis = await startRedis({ dir: join(data, 'redis'), appendonly: true })
      try {
        const child = start(args(), own)
        expect(await refusal(child)).toEqual({ code: 1, signal: null })
        expect(child.log()).toContain(`a redis-server (process ${redis.process.pid}) runs in`)
      } finally {
        await redis.stop()
      }
    })
  })
})
