import { describe, expect, it } from 'vitest'
import type { InstanceView } from '@jobtrail/api/instances'
import { liveRows } from './live-rows'

const row = (id: string, status: InstanceView['status'] = 'RUNNING'): InstanceView => ({
  id,
  namespace: 'default',
  jobId: 'j',
  jobName: 'job',
  revision: 1,
  cause: { kind: 'api', by: null },
  status,
  scheduledFor: null,
  createdAt: '',
  dueAt: '',
  startedAt: null,
  finishedAt: null,
  attempt: 1,
  cancelRequestedAt: null,
  error: null,
})
const ids = (rows: readonly { id: string }[]): string => rows.map(({ id }) => id).join('')

describe('the live list of instances', () => {
  it('shows what is there at first', () => {
    expect(liveRows([], [row('c'), row('b')], false, false)).toEqual({ rows: [row('c'), row('b')], waiting: 0 })
  })

  it('announces new ones, and shows them when asked', () => {
    const shown = [row('c'), row('b')]
    const fetched = [row('e'), row('d'), row('c', 'SUCCEEDED'), row('b')]
    expect(liveRows(shown, fetched, false, false)).toEqual({ rows: [row('c', 'SUCCEEDED'), row('b')], waiting: 2 })
    expect(ids(liveRows(shown, fetched, false, true).rows)).toBe('edcb')
  })

  it('keeps the place of one that no longer matches, and of those beyond what was fetched', () => {
    const { rows } = liveRows([row('d'), row('c'), row('a')], [row('d'), row('b')], false, false)
    expect(ids(rows)).toBe('dcba')
    expect(rows.find(({ id }) => id === 'c')?.hasLeft).toBe(true)
    expect(rows.find(({ id }) => id === 'a')?.hasLeft).toBeUndefined()
  })

  it('knows that the last have left when the list is complete', () => {
    expect(liveRows([row('b'), row('a')], [row('b')], true, false).rows.at(-1)?.hasLeft).toBe(true)
  })

  it('goes on at the end when more is loaded', () => {
    expect(ids(liveRows([row('d'), row('c')], [row('d'), row('c'), row('b'), row('a')], true, false).rows)).toBe('dcba')
  })
})
