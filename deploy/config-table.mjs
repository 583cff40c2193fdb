// Writes the tables of docs/configuration.md from the schemas that the server and the worker read their settings by (npm run docs; after a build).
import { readFileSync, writeFileSync } from 'node:fs'
import { configTable as serverTable } from '../server/dist/config/config-table.js'
import { configTable as workerTable } from '../worker/dist/config-table.js'

const FILE = new URL('../docs/configuration.md', import.meta.url)

/** Puts a table between its two marks. */
function put(text, name, table) {
  const [begin, end] = [`<!-- begin ${name} -->\n`, `\n<!-- end ${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/configuration.md has no marks for the ${name}`)
  return text.slice(0, from + begin.length) + table + text.slice(to)
}

writeFileSync(FILE, put(put(readFileSync(FILE, 'utf8'), 'server', serverTable()), 'worker', workerTable()))
