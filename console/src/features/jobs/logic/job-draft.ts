import type { z } from 'zod'
import type { ChangeJob, CreateJob, JobDefinition, JobView } from '@jobtrail/api/jobs'
import { ExactJson } from '@jobtrail/api/exact-json'

/** A definition as it is being edited: everything in it may still be wrong. */
export type JobDraft = z.input<typeof JobDefinition>
export type DefinitionMember = keyof JobDefinition

export const KEPT_SECRET = '***'

export const DEFINITION_MEMBERS: readonly DefinitionMember[] = [
  'name',
  'description',
  'enabled',
  'trigger',
  'processor',
  'params',
  'routing',
  'priority',
  'timeoutMs',
  'killGraceMs',
  'retry',
  'maxConcurrent',
  'log',
  'secrets',
]

export function newDraft(timeZone: string): JobDraft {
  return {
    name: '',
    description: '',
    enabled: true,
    trigger: { kind: 'cron', expression: '0 2 * * *', timeZone },
    processor: { kind: 'shell', script: '#!/bin/sh\nset -eu\n\necho "hello from $(hostname)"\n' },
    params: {},
    routing: { group: 'default', tags: [] },
    priority: 0,
    timeoutMs: 0,
    killGraceMs: 10_000,
    retry: { maxRetries: 0, backoffMs: 1_000, factor: 2, maxBackoffMs: 3_600_000 },
    maxConcurrent: 0,
    log: { maxLines: 0, maxBytes: 0, onPressure: 'block' },
    secrets: {},
  }
}

/** What of a job (or of one of its revisions) is edited. */
export function draftOf(job: JobDefinition | Omit<JobView, 'id' | 'namespace' | 'revision' | 'nextFireAt' | 'createdAt' | 'updatedAt'>): JobDraft {
  return Object.fromEntries(DEFINITION_MEMBERS.map((member) => [member, job[member]])) as JobDraft
}

/** A copy under another name. Secrets can't be read, so they can't be copied: their names are left with empty values, to be given again. */
export function cloneDraft(job: JobView): JobDraft {
  return { ...draftOf(job), name: cloneName(job.name), enabled: false, secrets: Object.fromEntries(Object.keys(job.secrets).map((name) => [name, ''])) }
}

/** Names have at most 63 characters. */
export function cloneName(name: string): string {
  const [, stem = name, number] = /^(.*?)-copy(?:-(\d+))?$/.exec(name) ?? []
  const suffix = stem === name ? '-copy' : `-copy-${Number(number ?? 1) + 1}`
  return stem.slice(0, 63 - suffix.length) + suffix
}

export const changedMembers = (before: JobDraft, after: JobDraft): DefinitionMember[] =>
  DEFINITION_MEMBERS.filter((member) => !isSame(before[member], after[member]))

/** Only the members that differ; a secret that is gone is removed, one that is "***" stays. */
export function changeOf(before: JobDraft, after: JobDraft, revision: number): ChangeJob {
  const members = changedMembers(before, after)
  const change = Object.fromEntries(members.filter((member) => member !== 'secrets').map((member) => [member, after[member]]))
  if (!members.includes('secrets')) return { revision, ...change }
  const removed = Object.keys(before.secrets ?? {}).filter((name) => !(name in (after.secrets ?? {})))
  return { revision, ...change, secrets: { ...after.secrets, ...Object.fromEntries(removed.map((name) => [name, null])) } }
}

/** What is asked of the server to go back to an earlier revision. A secret that is gone since can't be brought back: its value is not known here. */
export function restoreOf(current: JobDraft, old: JobDraft, revision: number): { change: ChangeJob; lostSecrets: string[] } {
  const kept = Object.keys(old.secrets ?? {}).filter((name) => name in (current.secrets ?? {}))
  const lostSecrets = Object.keys(old.secrets ?? {}).filter((name) => !kept.includes(name))
  const secrets = Object.fromEntries(kept.map((name) => [name, KEPT_SECRET]))
  return { change: changeOf(current, { ...old, secrets }, revision), lostSecrets }
}

/** Kept secrets stand for values that only the server knows; for checking the rest they are as good as any. */
export function checkable(draft: JobDraft): JobDraft {
  const secrets = Object.entries(draft.secrets ?? {}).map(([name, value]) => [name, value === KEPT_SECRET ? 'kept' : value])
  return { ...draft, secrets: Object.fromEntries(secrets) as Record<string, string> }
}

export const createOf = (draft: JobDraft, namespace: string): z.input<typeof CreateJob> => ({ ...draft, namespace })

/** Deeply equal, whatever the order of members; undefined members count as absent. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (a instanceof ExactJson || b instanceof ExactJson) return a instanceof ExactJson && b instanceof ExactJson && a.text === b.text
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a).filter(([, value]) => value !== undefined)
  const right = new Map<string, unknown>(Object.entries(b).filter(([, value]) => value !== undefined))
  return left.length === right.size && left.every(([name, value]) => right.has(name) && isSame(value, right.get(name)))
}
