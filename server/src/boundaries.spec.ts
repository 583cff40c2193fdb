import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const ROOT = dirname(fileURLToPath(import.meta.url))
/** What every feature may use, and that may use none. */
const GROUND = ['platform', 'config']

type Import = { from: string; to: string }

const folderOf = (path: string): string => path.split('/')[0] ?? ''
/** Specs may set up a neighbour, and what stands beside the folders connects them. */
const isPartOfFeature = (path: string): boolean => path.includes('/') && !path.endsWith('.spec.ts') && !path.includes('/testing/')

const sources = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && isPartOfFeature(path))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))

const imports: Import[] = sources.flatMap(({ path, text }) =>
  [...text.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)].map((match) => {
    const name = match[1] ?? match[2] ?? ''
    return {
      from: path,
      to: name.startsWith('.') ? relative(ROOT, join(ROOT, dirname(path), name)) : name,
    }
  }),
)
const folders = new Set(sources.map(({ path }) => folderOf(path)))
const between = imports.filter(({ from, to }) => folders.has(folderOf(to)) && folderOf(from) !== folderOf(to))

/** A way from a folder back to itself, if there is one. */
function cycleFrom(start: string): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const next = [start]
  for (let folder = next.shift(); folder !== undefined; folder = next.shift()) {
    for (const { from, to } of between) {
      if (folderOf(from) !== folder) continue
      const reached = folderOf(to)
      if (!cameFrom.has(reached)) {
        cameFrom.set(reached, folder)
        next.push(reached)
      }
      if (reached === start) return wayBack(start, cameFrom)
    }
  }
  return undefined
}

function wayBack(start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [start]
  for (let at = cameFrom.get(start); at !== undefined && at !== start; at = cameFrom.get(at)) way.unshift(at)
  return [start, ...way]
}

it('folders do not depend on each other in a circle', () => {
  expect([...folders].flatMap((folder) => cycleFrom(folder)?.join(' → ') ?? [])).toEqual([])
})

it('platform and config know no feature', () => {
  expect(between.filter(({ from, to }) => GROUND.includes(folderOf(from)) && !GROUND.includes(folderOf(to)))).toEqual([])
})

it('a feature reaches another one through its services, not through its repositories, controllers or gateways', () => {
  expect(between.filter(({ to }) => /\.(repository|controller|gateway)\.js$/.test(to))).toEqual([])
})

it('the engine knows neither HTTP nor sockets, and no other feature', () => {
  const ofEngine = imports.filter(({ from }) => folderOf(from) === 'engine')
  expect(ofEngine.length).toBeGreaterThan(0)
  expect(
    ofEngine.filter(({ to }) => /^(@nestjs\/(platform|websockets|swagger)|socket\.io|express|fastify|node:https?$)|^platform\/(http\/|sockets)/.test(to)),
  ).toEqual([])
  expect(ofEngine.filter(({ to }) => folders.has(folderOf(to)) && ![...GROUND, 'engine'].includes(folderOf(to)))).toEqual([])
})

it('each collection is opened by one feature, which owns it', () => {
  const owners = new Map<string, Set<string>>()
  for (const { path, text } of sources) {
    if (GROUND.includes(folderOf(path))) continue
    for (const [, name = ''] of text.matchAll(/\.(?:collection|reads)(?:<[^>(]*>)?\(\s*'([a-z_]+)'/g))
      owners.set(name, (owners.get(name) ?? new Set()).add(folderOf(path)))
  }
  expect(owners.size).toBeGreaterThan(10)
  expect([...owners].filter(([, of]) => of.size > 1)).toEqual([])
})

it('only engine/domain/task-key.ts knows which task a run embeds', () => {
  const lines = sources
    .filter(({ path }) => path !== 'engine/domain/task-key.ts')
    .flatMap(({ path, text }) => text.split('\n').map((line) => `${path}: ${line.trim()}`))
  expect(lines.filter((line) => /\btask(: | [=!]==? )\d/.test(line))).toEqual([])
})
