import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Environment } from './config.js'
import { configTable } from './config-table.js'

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const names = Object.keys(Environment.shape)

test('the table has every variable, with its default and what it takes', () => {
  const table = configTable()
  expect(table.split('\n')).toHaveLength(names.length + 2)
  for (const name of names) expect(table).toContain(`| \`${name}\` |`)
  expect(table).toContain('| 1 to 65535 | `7701` |')
  expect(table).toContain('`trace` `debug` `info`')
  expect(table).toContain('text of 32 characters or more')
})

test('docs/configuration.md holds the present table; npm run docs writes it', () => {
  expect(read('docs/configuration.md')).toContain(`<!-- begin server -->\n${configTable()}\n<!-- end server -->`)
})

test('the servers of the compose file and of the image are told by variables that there are', () => {
  const compose = read('deploy/compose/compose.yaml')
  const shared = /^x-server-environment:.*\n((?: .*\n|#.*\n)+)/m.exec(compose)?.[1] ?? ''
  const own = [...compose.matchAll(/^ {2}server-\d+:\n((?: {4}.*\n)+)/gm)].map(([, block = '']) => block)
  expect(own).toHaveLength(2)
  const image = [...read('deploy/docker/server.Dockerfile').matchAll(/\b(JOBTRAIL_\w+)=/g)].map(([, name]) => name)
  const used = [...`${shared}${own.join('')}`.matchAll(/^ +([A-Z][A-Z_]+):/gm)].map(([, name]) => name)
  expect(used).toEqual(expect.arrayContaining(['MONGODB_URI', 'REDIS_URL', 'JOBTRAIL_SERVER_ID']))
  expect([...used, ...image].filter((name) => name === undefined || !names.includes(name))).toEqual([])
})
