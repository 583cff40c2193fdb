import { describe, expect, it } from 'vitest'
import { filtersOf } from './instance-filters'

const now = Date.parse('2026-11-20T12:00:00.000Z')
const of = (query: string) => filtersOf(new URLSearchParams(query), now)
const NONE = { jobId: undefined, status: undefined, cause: undefined, workerId: undefined, text: undefined, from: undefined, to: undefined }

describe('filters of runs in the URL', () => {
  it('are read', () => {
    expect(
      of(
        'job=0193C6A0-0000-7000-8000-000000000000&status=FAILED,TIMED_OUT&cause=schedule&worker=5B1E2C3D-0000-4000-8000-000000000000&text=exit+code&from=2026-11-20T10:00:00Z',
      ),
    ).toEqual({
      jobId: '0193c6a0-0000-7000-8000-000000000000',
      status: ['FAILED', 'TIMED_OUT'],
      cause: 'schedule',
      workerId: '5b1e2c3d-0000-4000-8000-000000000000',
      text: 'exit code',
      from: '2026-11-20T10:00:00.000Z',
      to: undefined,
    })
  })

  it('count a range back from now', () => {
    expect(of('range=1h&from=2020-01-01')).toEqual({ ...NONE, from: '2026-11-20T11:00:00.000Z' })
  })

  it('that make no sense are left out', () => {
    expect(of('job=x&status=NOPE&cause=me&range=2y&from=never')).toEqual(NONE)
  })
})
