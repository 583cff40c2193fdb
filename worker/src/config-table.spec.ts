import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SETTINGS } from './config.js'
import { configTable } from './config-table.js'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const names = [...Object.values(SETTINGS).map(({ env }) => env), 'JOBTRAIL_HANDLERS', 'JOBTRAIL_HANDLER_ISOLATION']

test('the table has every option with its variable', () => {
  for (const { flag, env } of Object.values(SETTINGS)) expect(configTable()).toMatch(new RegExp(`\\| \`--${flag} .*\` \\| \`${env}\` \\| .+ \\|`))
  expect(configTable().split('\n')).toHaveLength(names.length + 2)
})

test('docs/configuration.md holds the present table; npm run docs writes it', () => {
  expect(read('docs/configuration.md')).toContain(`<!-- begin worker -->\n${configTable()}\n<!-- end worker -->`)
})

test('the workers of the compose file and of the image are told by variables that there are', () => {
  const compose = read('deploy/compose/compose.yaml')
  const blocks = [...compose.matchAll(/^ {2}worker-\d+:\n((?: {4}.*\n)+)/gm)].map(([, block = '']) => block)
  const inCommand = /^x-worker:.*\n((?: .*\n|#.*\n)+)/m.exec(compose)?.[1] ?? ''
  const image = [...read('deploy/docker/worker.Dockerfile').matchAll(/\b(JOBTRAIL_\w+)=/g)].map(([, name]) => name)
  const used = [...`${blocks.join('')}${inCommand}`.matchAll(/\b(JOBTRAIL_[A-Z_]+)\b/g)].map(([, name]) => name)
  expect(used).toEqual(expect.arrayContaining(['JOBTRAIL_SERVER', 'JOBTRAIL_TOKEN_FILE', 'JOBTRAIL_SLOTS']))
  expect([...used, ...image].filter((name) => name === undefined || !names.includes(name))).toEqual([])
})
