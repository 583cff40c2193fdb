import { readFileSync } from 'node:fs'
import { systemCode } from './errors.js'

/** The text of a file; undefined where there is none. Throws what else goes wrong. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The value of a JSON text; undefined where it is none, which the schema that reads it then refuses. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema says what is wrong with it
  }
}
