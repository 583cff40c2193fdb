import { createServer } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { freePort, portProblem } from '@jobtrail/deploy/ports'
import { ManagedProcess } from '@jobtrail/deploy/process'
import { withTimeout } from '@jobtrail/deploy/wait'
import { ServerPage } from '@jobtrail/shared/api/cluster'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testInfra } from '../support/infra.js'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-start-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

// The compiled program without the bootstrap in front: the tests run on a build that is done.
const RUN = `import('${join(REPO_ROOT, 'deploy/dist/start.js')}').then(async ({ main }) => { process.exitCode = await main(process.argv.slice(1)) })`

let count = 0
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ManagedProcess {
  const child = new ManagedProcess({
    name: 'npm start',
    command: process.execPath,
    args: ['-e', RUN, '--', ...args],
    env: { ...process.env, TMPDIR: dir, JOBTRAIL_ADMIN_PASSWORD: 'start-test-password', ...env },
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

describe('npm start', () => {
  test('runs the sample job on a fresh machine, prints its log, and leaves nothing behind', async () => {
    const port = await freeRange()
    const child = start(['--ephemeral', '--port', String(port), '--servers', '2'], { MONGODB_URI: '', REDIS_URL: '' })
    try {
      await child.waitUntil(() => child.log().includes('Ctrl-C ends everything'), { timeoutMs: 90_000, what: 'npm start was ready' })
      const output = child.log()
      expect(output).toMatch(/stdout \| step 5 of 5/)
      expect(output).toMatch(/sample job SUCCEEDED, log sealed with 8 lines/)
      expect(output).toContain('admin / start-test-password')
      const api = await ApiClient.login(`http://127.0.0.1:${port}`, 'admin', 'start-test-password')
      expect(ServerPage.parse(await api.get('/api/servers')).items).toHaveLength(2)
      for (const offset of [1, 2]) await api.at(`http://127.0.0.1:${port + offset}`).get('/api/servers')
    } finally {
      child.signal('SIGINT')
      await withTimeout(child.exited(), 60_000, 'npm start to end')
    }
    expect(await child.exited()).toEqual({ code: 0, signal: null })
    for (const offset of [0, 1, 2]) expect(await portProblem(port + offset)).toBeUndefined()
  })

  test('a taken port is named, and nothing is started', async () => {
    const port = await freeRange()
    const other = createServer().listen(port + 1, '127.0.0.1')
    try {
      const child = start(['--ephemeral', '--port', String(port)])
      expect(await withTimeout(child.exited(), 30_000, 'npm start to refuse')).toEqual({ code: 1, signal: null })
      expect(child.log()).toMatch(new RegExp(`port ${port + 1}, for server 1, is taken .*--port`))
      expect(child.log()).not.toContain('starting')
    } finally {
      other.close()
    }
  })

  test('a wrong option ends with exit code 2 and its name', async () => {
    const child = start(['--servers', 'many'])
    expect(await withTimeout(child.exited(), 30_000, 'npm start to refuse')).toEqual({ code: 2, signal: null })
    expect(child.log()).toContain('--servers has to be a whole number')
  })

  test('a given MongoDB that cannot be reached is said so, and nothing is left running', async () => {
    const port = await freeRange()
    const nothing = await freePort()
    const child = start(['--ephemeral', '--port', String(port), '--mongodb-uri', `mongodb://127.0.0.1:${nothing}/x`])
    expect(await withTimeout(child.exited(), 30_000, 'npm start to refuse')).toEqual({ code: 1, signal: null })
    expect(child.log()).toContain('the given MongoDB cannot be used')
  })

  test('uses the given MongoDB and Redis', async () => {
    const port = await freeRange()
    const { mongodbUri, redisUrl } = testInfra()
    const child = start(['--ephemeral', '--port', String(port), '--servers', '1', '--mongodb-uri', mongodbUri, '--redis-url', redisUrl])
    try {
      await child.waitUntil(() => child.log().includes('Ctrl-C ends everything'), { timeoutMs: 90_000, what: 'npm start was ready' })
      expect(child.log()).not.toContain('starting MongoDB')
      expect(child.log()).not.toContain('starting Redis')
    } finally {
      child.signal('SIGTERM')
      await withTimeout(child.exited(), 60_000, 'npm start to end')
    }
  })
})
