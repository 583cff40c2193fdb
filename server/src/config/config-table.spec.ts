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
