import type { FieldError } from '@jobtrail/protocol/domain/errors'
import { ExactJson } from '@jobtrail/api/exact-json'

/** Deeper than any request is; within it nothing overflows a stack. */
const MAX_DEPTH = 120
const MAX_FAULTS = 50
const LONE_SURROGATE = /\p{Surrogate}/u

/** A fault in a request, with the path to it as parts. */
export type OddText = Omit<FieldError, 'path'> & { path: PropertyKey[] }

/**
 * Characters that neither a process nor a filter of the database can be given, and names that JavaScript takes for something else, anywhere in a request. JSON of users
 * (an {@link ExactJson}) may hold them: it is passed on as text.
 */
export function oddTextsOf(value: unknown, path: PropertyKey[] = []): OddText[] {
  if (typeof value === 'string') {
    const message = problemOf(value)
    return message === undefined ? [] : [{ path, message }]
  }
  if (typeof value !== 'object' || value === null || value instanceof ExactJson) return []
  if (path.length >= MAX_DEPTH) return [{ path: path.slice(0, 1), message: `is nested more than ${MAX_DEPTH} levels deep` }]
  const faults: OddText[] = []
  for (const [name, member] of Object.entries(value)) {
    const here = [...path, Array.isArray(value) ? Number(name) : name]
    const message = problemOf(name) ?? (name === '__proto__' ? 'is not a possible name' : undefined)
    if (message === undefined) faults.push(...oddTextsOf(member, here))
    else faults.push({ path: here, message })
    if (faults.length >= MAX_FAULTS) break
  }
  return faults
}

function problemOf(text: string): string | undefined {
  if (text.includes('\0')) return 'must not have the character U+0000'
  return LONE_SURROGATE.test(text) ? 'must not have half of a surrogate pair' : undefined
}
