import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError, describeError } from './errors.js'
import type { Handler } from './sdk-types.js'

/** Loads a module's handlers: the functions of its default export, or else its exported functions, by name. */
export async function loadHandlers(path: string): Promise<Map<string, Handler>> {
  const handlers = handlersOf(await importModule(path))
  if (handlers.size === 0)
    throw new ConfigError(`--handlers (JOBTRAIL_HANDLERS): ${path} exports no function; export an object of functions as default, or named functions`)
  return handlers
}

/** The handlers in an imported module. */
export function handlersOf(module: unknown): Map<string, Handler> {
  const exported = entriesOf(module)
  const byDefault = exported.find(([name]) => name === 'default')?.[1]
  const source = typeof byDefault === 'object' && byDefault !== null ? entriesOf(byDefault) : exported
  const handlers = new Map<string, Handler>()
  for (const [name, value] of source) if (isHandler(value)) handlers.set(name, value)
  return handlers
}

async function importModule(path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(resolve(path)).href)
  } catch (error) {
    throw new ConfigError(`--handlers (JOBTRAIL_HANDLERS): ${path} cannot be loaded (${describeError(error)})`, error)
  }
}

const entriesOf = (value: unknown): [string, unknown][] => (typeof value === 'object' && value !== null ? Object.entries(value) : [])
const isHandler = (value: unknown): value is Handler => typeof value === 'function'
