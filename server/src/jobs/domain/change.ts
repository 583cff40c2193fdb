import { isDeepStrictEqual } from 'node:util'
import type { ChangeJob, JobDefinition } from '@jobtrail/api/jobs'
import { ExactJson } from '@jobtrail/api/exact-json'
import { ValidationError } from '@jobtrail/protocol/domain/errors'
import { definitionOf } from './job.js'

type Change = Omit<ChangeJob, 'revision'>

/** The definition after a change: each given member replaces the former one whole; secrets are merged. */
export function applyChange(before: JobDefinition, change: Change): JobDefinition {
  const { secrets, ...members } = change
  const given = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
  return { ...definitionOf(before), ...given, ...(secrets === undefined ? {} : { secrets: mergeSecrets(before.secrets, secrets) }) }
}

/** Names of the members that differ; values stay out of it, so that it may go into the audit log. */
export function changedMembers(before: JobDefinition, after: JobDefinition): string[] {
  const [from, to] = [definitionOf(before), definitionOf(after)]
  return (Object.keys(to) as (keyof JobDefinition)[]).filter((member) => !isDeepStrictEqual(withoutAbsent(from[member]), withoutAbsent(to[member])))
}

/** Null removes a secret, "***" keeps it, what is not named stays. */
function mergeSecrets(before: Record<string, string>, change: NonNullable<Change['secrets']>): Record<string, string> {
  const merged = new Map(Object.entries(before))
  for (const [name, value] of Object.entries(change)) {
    if (value === null) merged.delete(name)
    else if (value !== '***') merged.set(name, value)
    else if (!merged.has(name)) throw new ValidationError(`secrets.${name}`, 'there is no such secret to keep; give its value')
  }
  return Object.fromEntries(merged)
}

/** MongoDB does not keep members that are undefined, so they are no difference. */
function withoutAbsent(value: unknown): unknown {
  if (value instanceof ExactJson) return value
  if (Array.isArray(value)) return value.map(withoutAbsent)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, withoutAbsent(member)]),
  )
}
