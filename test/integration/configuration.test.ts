import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { freePort } from '@jobtrail/deploy/ports'
import { serverProcess, waitUntilReady } from '@jobtrail/deploy/programs'
import { NamespacePage } from '@jobtrail/api/auth'
import { beforeAll, describe, expect, test } from 'vitest'
import { testInfra } from '../support/infra.js'

/** Runs a program that is to end at once, with this environment and no other. */
function run(program: string, env: Record<string, string>, args: readonly string[] = []): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [join(REPO_ROOT, program), ...args], {
    env: { PATH: process.env['PATH'], ...env },
    encoding: 'utf8',
    timeout: 90_000,
  })
  if (error !== undefined) throw error
  return { status, stdout, stderr }
}

describe('a first start without JOBTRAIL_ADMIN_PASSWORD', () => {
  let dir = ''
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'jobtrail-first-start-'))
    return () => rm(dir, { recursive: true, force: true })
  })

  test('of two servers at once makes one password, which one of them says once and which signs in on both', async () => {
    const { mongodbUri, redisUrl, keyPrefix } = testInfra()
    const servers = await Promise.all(
      ['one', 'two'].map(async (serverId) => {
        const [port, logFile] = [await freePort(), join(dir, `${serverId}.log`)]
        const env = { JOBTRAIL_KEY_PREFIX: keyPrefix, JOBTRAIL_HOST: '127.0.0.1' }
        return { port, child: serverProcess({ port, serverId, mongodbUri, redisUrl, logFile, baseEnv: { PATH: process.env['PATH'] }, env }) }
      }),
    )
    try {
      for (const { child } of servers) child.start()
      await Promise.all(servers.map(({ child, port }) => waitUntilReady(child, port)))
      const lines = servers.flatMap(({ child }) => child.log().split('\n')).filter((line) => /password/i.test(line) && !line.includes('Mapped {'))
      expect(lines).toEqual([expect.stringContaining('admin')])
      const password = /admin, shown only this once: (\S+)/.exec(lines[0] ?? '')?.[1] ?? ''
      for (const { port } of servers) {
        const api = await ApiClient.login(`http://127.0.0.1:${port}`, 'admin', password)
        expect((await api.get('/api/namespaces', NamespacePage)).items.map(({ name }) => name)).toEqual(['default'])
      }
    } finally {
      await Promise.all(servers.map(({ child }) => child.kill()))
    }
  })
})

describe('a wrong environment', () => {
  test('ends a server with exit code 2 before it does anything, and names each variable and what would be right', () => {
    const wrong = {
      JOBTRAIL_PORT: '70000',
      MONGODB_URI: 'postgres://127.0.0.1/jobtrail',
      REDIS_URL: '127.0.0.1:6379',
      JOBTRAIL_KEY_PREFIX: 'With Space',
      JOBTRAIL_ADMIN_PASSWORD: 'secret123',
      JOBTRAIL_JWT_SECRET: 'tooshort',
      JOBTRAIL_SESSION_MS: 'soon',
      JOBTRAIL_LEASE_MS: '1',
      JOBTRAIL_TRUST_PROXY: '-1',
      JOBTRAIL_LOG_LEVEL: 'loud',
    }
    const { status, stdout, stderr } = run('server/dist/main.js', { ...wrong, JOBTRAIL_HOST: '127.0.0.1' })
    expect(status).toBe(2)
    expect(stdout).toBe('')
    const lines = stderr.trim().split('\n').slice(1)
    expect(new Set(lines.map((line) => line.split(':')[0]))).toEqual(new Set(Object.keys(wrong)))
    expect(lines).toHaveLength(Object.keys(wrong).length)
    expect(stderr).toContain('MONGODB_URI: must start with mongodb://')
    expect(stderr).toContain('JOBTRAIL_SESSION_MS: must be a number of milliseconds')
    for (const secret of ['secret123', 'tooshort', '    at ']) expect(stderr).not.toContain(secret)
  })

  test('ends a worker with exit code 2, and names each option and variable', () => {
    const { status, stdout, stderr } = run('worker/dist/main.js', { JOBTRAIL_SERVER: 'localhost:7700', JOBTRAIL_SLOTS: '0', JOBTRAIL_LOG_LEVEL: 'loud' }, [
      '--drain-timeout',
      'long',
    ])
    expect([status, stdout]).toEqual([2, ''])
    for (const name of ['JOBTRAIL_SERVER', 'JOBTRAIL_TOKEN', 'JOBTRAIL_SLOTS', 'JOBTRAIL_LOG_LEVEL', 'JOBTRAIL_DRAIN_TIMEOUT_MS'])
      expect(stderr).toContain(`(${name}): `)
    expect(run('worker/dist/main.js', {}, ['--nonsense'])).toMatchObject({ status: 2, stderr: expect.stringContaining('--nonsense') })
    expect(run('worker/dist/main.js', {}, ['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('JOBTRAIL_SPOOL_DIR') })
  })
})
