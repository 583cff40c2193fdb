import { CAUSE_KINDS } from '@jobtrail/api/instances'
import { type InstanceStatus, INSTANCE_STATUSES } from '@jobtrail/protocol/domain/statuses'
import type { InstanceFilters } from '../../../api/instances'

export const MAX_TEXT = 200
export const RANGES = { '1h': 3_600_000, '24h': 86_400_000, '7d': 7 * 86_400_000, '30d': 30 * 86_400_000 } as const
export type Range = keyof typeof RANGES
export const FILTER_NAMES = ['job', 'status', 'cause', 'worker', 'text', 'range', 'from', 'to'] as const

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** What the URL says of the list; what makes no sense is as if it were not there. A range counts back from `now`; `from` and `to` are times. */
export function filtersOf(search: URLSearchParams, now: number): InstanceFilters {
  const range = rangeOf(search)
  return {
    jobId: idOf(search.get('job')),
    status: statusesOf(search),
    cause: CAUSE_KINDS.find((kind) => kind === search.get('cause')),
    workerId: idOf(search.get('worker')),
    text: search.get('text')?.slice(0, MAX_TEXT) || undefined,
    from: range === undefined ? timeOf(search.get('from')) : new Date(now - RANGES[range]).toISOString(),
    to: range === undefined ? timeOf(search.get('to')) : undefined,
  }
}

export const rangeOf = (search: URLSearchParams): Range | undefined => (Object.keys(RANGES) as Range[]).find((range) => range === search.get('range'))

export function statusesOf(search: URLSearchParams): InstanceStatus[] | undefined {
  const wanted = (search.get('status') ?? '').split(',')
  const known = INSTANCE_STATUSES.filter((status) => wanted.includes(status))
  return known.length === 0 ? undefined : known
}

const idOf = (text: string | null): string | undefined => (text !== null && UUID.test(text) ? text.toLowerCase() : undefined)

function timeOf(text: string | null): string | undefined {
  const at = text === null ? NaN : Date.parse(text)
  return Number.isNaN(at) ? undefined : new Date(at).toISOString()
}
