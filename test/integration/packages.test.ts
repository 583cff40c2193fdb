import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { runCommand } from '@jobtrail/deploy/command'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { useCluster } from '../support/cluster.js'
import { createAndRun, logPage, uniqueName, waitForSealed } from '../support/factories.js'

const NAMES = ['protocol', 'worker', 'server'] as const
type Name = (typeof NAMES)[number]
const END_MS = 120_000

const Packed = z.array(z.object({ name: z.string(), filename: z.string(), files: z.array(z.object({ path: z.string() })) }))
const Manifest = z.object({
  version: z.string(),
  license: z.string(),
  private: z.boolean().optional(),
  engines: z.object({ node: z.string() }),
  dependencies: z.record(z.string(), z.string()).default({}),
})

/** Empty at first, with nothing of this repository above it. */
let folder = ''
let packed: z.infer<typeof Packed> = []
const packageOf = (name: Name) => {
  const found = packed.find((each) => each.name === `@jobtrail/${name}`)
  if (found === undefined) throw new Error(`${name} was not packed`)
  return found
}

/** No registry there: whatever npm asked of one would fail. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))),
  npm_config_registry: 'http://127.0.0.1:9',
  npm_config_fetch_retries: '0',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
}
const npm = async (...args: string[]): Promise<string> => (await runCommand('npm', args, { timeoutMs: END_MS, env })).stdout
const run = async (...args: string[]): Promise<string> => (await runCommand(process.execPath, args, { timeoutMs: END_MS, env })).stdout
const inFolder = (path: string): string => join(folder, path)

/** The libraries that the packages ask a registry for, and theirs, as they are installed here. */
function librariesOf(dependencies: readonly string[]): string[] {
  const names = new Set<string>()
  const visit = (name: string): void => {
    if (names.has(name)) return
    names.add(name)
    Object.keys(manifestOf(join(REPO_ROOT, 'node_modules', name)).dependencies).forEach(visit)
  }
  dependencies.forEach(visit)
  return [...names].map((name) => join(REPO_ROOT, 'node_modules', name))
}
const manifestOf = (path: string): z.infer<typeof Manifest> =>
  Manifest.partial({ engines: true })
    .transform((read) => ({ engines: { node: '' }, ...read }))
    .parse(JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')))

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jobtrail-packages-'))
  mkdirSync(inFolder('tarballs'))
  const pack = async (...args: string[]) => Packed.parse(JSON.parse(await npm('pack', '--json', '--pack-destination', inFolder('tarballs'), ...args)))
  packed = await pack('--prefix', REPO_ROOT, ...NAMES.map((name) => `--workspace=@jobtrail/${name}`))
  const asked = NAMES.flatMap((name) => Object.keys(manifestOf(join(REPO_ROOT, name)).dependencies))
  const libraries = await pack('--ignore-scripts', ...librariesOf(asked.filter((name) => !name.startsWith('@jobtrail/'))))
  writeFileSync(inFolder('package.json'), '{ "private": true, "type": "module" }')
  await npm('install', '--prefix', folder, '--ignore-scripts', ...[...packed, ...libraries].map(({ filename }) => inFolder(`tarballs/${filename}`)))
}, END_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const cluster = useCluster({
  servers: 1,
  workers: 0,
  balancer: 'none',
  serverMain: () => inFolder('node_modules/@jobtrail/server/dist/bundle/main.js'),
})

describe('the packages of worker, server and protocol', () => {
  test.each(NAMES)('%s holds what runs, its types, terms and a page, and nothing of how it was made', (name) => {
    const paths = packageOf(name).files.map(({ path }) => path)
    expect(paths).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE']))
    expect(paths.filter((path) => /\.spec\.|\.map$|tsbuildinfo|^src\/|\.ts$/.test(path) && !path.endsWith('.d.ts'))).toEqual([])
    const manifest = manifestOf(inFolder(`node_modules/@jobtrail/${name}`))
    expect(manifest).toMatchObject({ license: 'Apache-2.0', engines: { node: '>=20.19.0' } })
    expect(manifest.private).toBeUndefined()
    expect(readFileSync(inFolder(`node_modules/@jobtrail/${name}/LICENSE`), 'utf8')).toBe(readFileSync(join(REPO_ROOT, 'LICENSE'), 'utf8'))
    const published = NAMES.map((each) => `@jobtrail/${each}`)
    expect(Object.keys(manifest.dependencies).filter((each) => each.startsWith('@jobtrail/') && !published.includes(each))).toEqual([])
  })

  test('have the commands of worker and server, which say what is wrong with their settings', async () => {
    const { version } = manifestOf(inFolder('node_modules/@jobtrail/worker'))
    expect((await runCommand(inFolder('node_modules/.bin/jobtrail-worker'), ['--version'], { timeoutMs: END_MS, env })).stdout).toBe(`${version}\n`)
    const started = runCommand(inFolder('node_modules/.bin/jobtrail-server'), [], { timeoutMs: END_MS, env: { ...env, JOBTRAIL_PORT: 'none' } })
    await expect(started).rejects.toThrow(/exit code 2[^]*JOBTRAIL_PORT: must be a port number/)
  })

  test('compile and run programs that are written against their types, with every declaration checked', async () => {
    const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, module: 'nodenext', target: 'es2023', lib: ['es2023'] }
    writeFileSync(
      inFolder('tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...strict, types: ['node'], typeRoots: [join(REPO_ROOT, 'node_modules/@types')] }, include: ['*.ts'] }),
    )
    writeFileSync(
      inFolder('handlers.ts'),
      `import type { Handler } from '@jobtrail/worker'
       export const greet: Handler = ({ log, params, attempt }) => {
         log.info(\`hello \${String(params['name'])}\`)
         return { greeted: params['name'], attempt }
       }`,
    )
    writeFileSync(
      inFolder('program.ts'),
      `import { ConfigError, createWorker, type HandlerContext, type JobtrailWorker } from '@jobtrail/worker'
       import { parseArgs } from 'node:util'
       const text = { type: 'string' } as const
       const { server = '', group, name, slots, 'spool-dir': spoolDir } = parseArgs({ options: { server: text, group: text, name: text, slots: text, 'spool-dir': text } }).values
       // @ts-expect-error: there is no such setting
       const wrong = (): JobtrailWorker => createWorker({ server, slot: 1 })
       try {
         wrong()
       } catch (error) {
         if (!(error instanceof ConfigError)) throw error
       }
       const worker: JobtrailWorker = createWorker({ server, group, name, slots, spoolDir, token: process.env['JOBTRAIL_TOKEN'] ?? '', onFailure: ({ exitStatus }) => process.exit(exitStatus) })
       worker.handle('count', async (context: HandlerContext) => {
         context.progress(50)
         return { jobName: context.jobName.length }
       })
       await worker.start()
       process.once('SIGTERM', () => void worker.stop())`,
    )
    writeFileSync(
      inFolder('chunks.ts'),
      `import { ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
       import { ChunkHeader } from '@jobtrail/protocol/log/chunk'
       import { checkBody, decodeLines, unpackBody } from '@jobtrail/protocol/log/codec'
       import { PROTOCOL_VERSION } from '@jobtrail/protocol/wire/worker'
       const builder = new ChunkBuilder({ instanceId: '01890a5d-ac96-774b-bcce-b302099a8057', task: 0, attempt: 1 })
       builder.add(Buffer.from('one'), 0, 1_000)
       const chunk = builder.close()
       if (chunk === undefined) throw new Error('no chunk')
       const header: ChunkHeader = ChunkHeader.parse(chunk.header)
       const body = unpackBody(header.encoding, chunk.data)
       checkBody(header, body)
       // @ts-expect-error: the text is bytes
       const [text]: string[] = decodeLines(header, body).map((line) => line.text)
       console.log(JSON.stringify([PROTOCOL_VERSION, String(text)]))`,
    )
    await run(join(REPO_ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder)
    expect(JSON.parse(await run(inFolder('chunks.js')))).toEqual([2, 'one'])
  })

  test('run a cluster of an installed server and installed workers, which call the compiled handlers', async () => {
    const api = await cluster().api()
    const handlerJob = (handler: string, group: string) => ({
      ...{ name: uniqueName(handler), trigger: { kind: 'manual' as const }, params: { name: 'Ada' }, routing: { group } },
      processor: { kind: 'handler' as const, handler },
    })
    const group = uniqueName('command')
    const main = inFolder('node_modules/@jobtrail/worker/dist/bundle/main.js')
    const worker = await cluster().addWorker({ main, args: ['--group', group, '--handlers', inFolder('handlers.js')] })
    const greeted = await createAndRun(api, handlerJob('greet', group))
    expect(await waitForSealed(api, greeted.instanceId)).toMatchObject({ status: 'SUCCEEDED', result: { greeted: 'Ada', attempt: 1 } })
    expect((await logPage(api, greeted.instanceId)).lines.map(({ text }) => text)).toEqual(['INFO hello Ada'])
    expect(await worker.stop()).toEqual({ code: 0, signal: null })

    const own = uniqueName('program')
    const program = await cluster().addWorker({ main: inFolder('program.js'), args: ['--group', own] })
    const counted = await createAndRun(api, handlerJob('count', own))
    expect(await waitForSealed(api, counted.instanceId)).toMatchObject({ status: 'SUCCEEDED', result: { jobName: expect.any(Number) } })
    await program.stop()
  })

  test('give a server that serves its console, its documentation and its worker, the same files as npm packs of it', async () => {
    const ask = (path: string) => new ApiClient(cluster().url).raw('GET', path, { headers: { accept: 'text/html,*/*' } })
    const page = await (await ask('/jobs')).text()
    expect(page).toContain('<div id="root">')
    const script = await ask(/src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1] ?? '')
    expect([script.status, script.headers.get('content-type')]).toEqual([200, expect.stringContaining('javascript')])
    await script.body?.cancel()
    expect(await (await ask('/api/docs')).text()).toContain('swagger-ui')

    writeFileSync(inFolder('downloaded.tgz'), Buffer.from(await (await ask('/downloads/jobtrail-worker.tgz')).arrayBuffer()))
    const unpacked = await Promise.all(
      ['downloaded.tgz', `tarballs/${packageOf('worker').filename}`].map(async (tarball, index) => {
        const dir = inFolder(`unpacked-${index}`)
        mkdirSync(dir)
        await runCommand('tar', ['xzf', inFolder(tarball), '-C', dir], { timeoutMs: END_MS })
        return contentOf(dir)
      }),
    )
    expect([...(unpacked[0]?.keys() ?? [])]).toEqual([...(unpacked[1]?.keys() ?? [])])
    expect(unpacked[0]).toEqual(unpacked[1])
  })
})

/** The files below a folder with their text. */
function contentOf(dir: string): Map<string, string> {
  const paths = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(dir, path)).isFile())
  return new Map(paths.toSorted().map((path) => [path, readFileSync(join(dir, path), 'utf8')]))
}
