import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { REPO_ROOT } from './paths.js'

const IMAGES = ['server', 'worker'] as const
type Image = (typeof IMAGES)[number]

interface Service {
  image: string
  environment?: Record<string, string>
  networks: string[]
}

const read = (path: string): string => readFileSync(join(REPO_ROOT, path), 'utf8')
const dockerfile = (image: Image): string => read(`deploy/docker/${image}.Dockerfile`)
const { services } = parse(read('deploy/compose/compose.yaml'), { merge: true }) as { services: Record<string, Service> }

/** What the steps of an image copy out of the repository. */
function copiedFromRepository(image: Image): string[] {
  return dockerfile(image)
    .split('\n')
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) =>
      line
        .split(/\s+/)
        .slice(1, -1)
        .filter((word) => !word.startsWith('--')),
    )
}

/** Docker's rule: the last pattern decides that matches the path or a folder above it. */
function isIgnored(path: string, patterns: readonly string[]): boolean {
  const parts = path.split('/')
  const withParents = parts.map((_part, index) => parts.slice(0, index + 1).join('/'))
  const decides = patterns.findLast((pattern) => {
    const source = pattern
      .replace(/^!/, '')
      .replaceAll('.', String.raw`\.`)
      .replace(/\*\*\/?|\*/g, (stars) => (stars === '*' ? '[^/]*' : '.*'))
    return withParents.some((parent) => new RegExp(`^${source}$`).test(parent))
  })
  return decides !== undefined && !decides.startsWith('!')
}

/** The variables that docs/configuration.md names; unit tests of server and worker keep it the same as their settings. */
function settingsOf(image: Image): string[] {
  const table = new RegExp(`<!-- begin ${image} -->([^]*)<!-- end ${image} -->`).exec(read('docs/configuration.md'))?.[1] ?? ''
  return [...table.matchAll(/^\|(?: `--[^|]*\|)? `([A-Z_]+)` \|/gm)].map(([, name = '']) => name)
}

describe.each(IMAGES)('the image of a %s', (image) => {
  const patterns = read(`deploy/docker/${image}.Dockerfile.dockerignore`).trim().split('\n')

  test('is installed with the manifest of every workspace', () => {
    const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] }
    expect(copiedFromRepository(image)).toEqual(expect.arrayContaining(workspaces.map((name) => `${name}/package.json`)))
  })

  test('copies only what there is and what is not ignored', () => {
    const copied = copiedFromRepository(image)
    expect(copied.filter((path) => !existsSync(join(REPO_ROOT, path)) || isIgnored(path, patterns))).toEqual([])
    // The rule itself: what is built outside stays outside.
    expect(['node_modules', `${image}/dist`, 'docs', '.git'].filter((path) => !isIgnored(path, patterns))).toEqual([])
  })

  test('is told by variables that there are', () => {
    const own = Object.entries(services).filter(([name, service]) => service.image === `jobtrail-${image}` && name.startsWith(`${image}-`))
    expect(own).toHaveLength(2)
    const inCompose = own.flatMap(([, { environment = {} }]) => Object.keys(environment))
    const inImage = [...dockerfile(image).matchAll(/\b(JOBTRAIL_\w+)=/g)].map(([, name = '']) => name)
    const inCommand = [...JSON.stringify(own).matchAll(/\b(JOBTRAIL_\w+)=/g)].map(([, name = '']) => name)
    const used = [...inCompose, ...inImage, ...inCommand]
    expect(used).toContain(image === 'server' ? 'JOBTRAIL_ADMIN_PASSWORD' : 'JOBTRAIL_TOKEN_FILE')
    expect(used.filter((name) => !settingsOf(image).includes(name))).toEqual([])
  })
})

test('the image of a server is its package, packed after the console was built, which it serves', () => {
  const text = dockerfile('server')
  expect(text).toMatch(/^RUN .*npm run build --workspace @jobtrail\/console [^]*npm pack --workspace @jobtrail\/server --pack-destination \/packages$/m)
  expect(text).toContain('COPY --from=build /packages /packages')
  expect(text).not.toContain('JOBTRAIL_STATIC_DIR')
})

test.each(IMAGES)('the image of a %s runs the program that its package has', (image) => {
  const { bin } = JSON.parse(read(`${image}/package.json`)) as { bin: Record<string, string> }
  const command = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile(image))?.[1] ?? '') as string[]
  expect(command.at(-1)).toBe(join('node_modules/@jobtrail', image, bin[`jobtrail-${image}`] ?? ''))
})

test('a container with a worker is healthy by what the worker says of itself, so that an outage of the servers ends none', () => {
  const [check = '', ...more] = dockerfile('worker')
    .split('\n')
    .filter((line) => line.startsWith('HEALTHCHECK '))
  expect(more).toEqual([])
  const command = /^HEALTHCHECK .*CMD (\[.*\])$/.exec(check)?.[1]
  const program = /^CMD (\[.*\])$/m.exec(dockerfile('worker'))?.[1]
  expect(JSON.parse(command ?? '')).toEqual(['node', (JSON.parse(program ?? '') as string[]).at(-1), '--health'])
})

test('no job can reach MongoDB, Redis or a server past the proxy: workers share a network with nginx alone', () => {
  const networksOf = (pattern: RegExp): string[] =>
    Object.entries(services)
      .filter(([name]) => pattern.test(name))
      .flatMap(([, { networks }]) => networks)
  expect(new Set(networksOf(/^(mongo|redis)/))).toEqual(new Set(['data']))
  expect(new Set(networksOf(/^worker/))).toEqual(new Set(['edge']))
  expect(new Set(networksOf(/^nginx/))).toEqual(new Set(['front', 'edge']))
  expect(new Set(networksOf(/^server/))).toEqual(new Set(['data', 'front']))
})
