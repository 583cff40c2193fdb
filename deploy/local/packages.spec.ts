import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { REPO_ROOT } from './paths.js'

/** Who may import whom. What runs in a browser gets no code that needs Node; a worker knows nothing of the API. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  process: [],
  api: ['protocol'],
  worker: ['process', 'protocol'],
  server: ['api', 'process', 'protocol'],
  console: ['api', 'protocol'],
}
/** Packages that run in browsers. */
const BROWSER = ['api', 'console']
const NEEDS_NODE = /^node:|^@jobtrail\/protocol\/log\/(codec|chunk-builder)$/

const packages = Object.keys(MAY_IMPORT)

/** What the sources of a package import, specs aside. */
function importsOf(name: string): { file: string; from: string }[] {
  const root = join(REPO_ROOT, name, 'src')
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !/\.spec\.tsx?$/.test(file))
    .flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(/\b(?:from|import) '([^']+)'|\bimport\('([^']+)'\)/g)].map(([, by, lazily]) => ({
        file: `${name}/src/${file}`,
        from: by ?? lazily ?? '',
      })),
    )
}

test.each(packages)('%s imports only packages that it may know, and lists them', (name) => {
  const imports = importsOf(name)
  expect(imports.length).toBeGreaterThan(0)
  const ours = imports.filter(({ from }) => from.startsWith('@jobtrail/'))
  const allowed = MAY_IMPORT[name] ?? []
  expect(ours.filter(({ from }) => !allowed.includes(from.split('/')[1] ?? ''))).toEqual([])
  // What is bundled is needed for the build alone.
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(REPO_ROOT, name, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
  const listed = Object.keys({ ...dependencies, ...devDependencies }).filter((each) => each.startsWith('@jobtrail/'))
  expect(listed).toEqual(allowed.map((each) => `@jobtrail/${each}`))
})

test('what runs in browsers imports nothing that needs Node', () => {
  expect(BROWSER.flatMap(importsOf).filter(({ from }) => NEEDS_NODE.test(from))).toEqual([])
})

test('the modules of the protocol that need Node are those that are kept from browsers', () => {
  const needing = importsOf('protocol').filter(({ from }) => from.startsWith('node:') || from === './codec.js')
  expect(new Set(needing.map(({ file }) => `@jobtrail/${file.replace('/src/', '/').replace('.ts', '')}`))).toEqual(
    new Set(['@jobtrail/protocol/log/codec', '@jobtrail/protocol/log/chunk-builder']),
  )
})
