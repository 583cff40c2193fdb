import { describe, expect, it } from 'vitest'
import { CreateJob, type JobDefinition } from '@jobtrail/api/jobs'
import { firstFireState, fireStateAfter } from './fire-state.js'
import { definitionOf } from './job.js'

const NOW = Date.parse('2027-05-01T10:00:30.000Z')
const job = (members: object): JobDefinition =>
  definitionOf(CreateJob.parse({ name: 'job', processor: { kind: 'handler', handler: 'h' }, trigger: { kind: 'manual' }, ...members }))
const everyMinute = { kind: 'cron', expression: '* * * * *' }
const at = (iso: string): Date => new Date(iso)

describe('a new job', () => {
  it('fires at the first time after now', () => {
    expect(firstFireState(job({ trigger: everyMinute }), NOW).nextFireAt).toEqual(at('2027-05-01T10:01:00Z'))
  })

  it('counts an interval from now', () => {
    expect(firstFireState(job({ trigger: { kind: 'interval', everyMs: 1_000 } }), NOW)).toEqual({
      nextFireAt: new Date(NOW + 1_000),
      fireAnchor: new Date(NOW),
    })
  })

  it('that is disabled, or manual, has no fire time', () => {
    expect(firstFireState(job({ trigger: everyMinute, enabled: false }), NOW).nextFireAt).toBeNull()
    expect(firstFireState(job({}), NOW).nextFireAt).toBeNull()
  })

  it('for a time that has passed is refused, naming the field', () => {
    expect(() => firstFireState(job({ trigger: { kind: 'once', at: '2027-05-01T10:00:30.000Z' } }), NOW)).toThrow('trigger.at')
    expect(firstFireState(job({ trigger: { kind: 'once', at: '2027-05-01T10:00:30.001Z' } }), NOW).nextFireAt).toEqual(new Date(NOW + 1))
  })
})

describe('a changed job', () => {
  const late = at('2027-05-01T09:00:00Z')
  const created = at('2027-05-01T08:00:00Z')
  const before = { ...job({ trigger: everyMinute }), nextFireAt: late, fireAnchor: created }

  it('keeps its fire time, also a late one, when its trigger stays', () => {
    expect(fireStateAfter(before, job({ trigger: everyMinute, priority: 1 }), NOW)).toEqual({ nextFireAt: late, fireAnchor: created })
  })

  it('counts a new trigger from now', () => {
    expect(fireStateAfter(before, job({ trigger: { kind: 'interval', everyMs: 60_000 } }), NOW)).toEqual({
      nextFireAt: new Date(NOW + 60_000),
      fireAnchor: new Date(NOW),
    })
  })

  it('has no fire time while disabled, and one from now when enabled again', () => {
    const disabled = fireStateAfter(before, job({ trigger: everyMinute, enabled: false }), NOW)
    expect(disabled).toEqual({ nextFireAt: null, fireAnchor: created })
    const enabled = fireStateAfter({ ...job({ trigger: everyMinute, enabled: false }), ...disabled }, job({ trigger: everyMinute }), NOW)
    expect(enabled).toEqual({ nextFireAt: at('2027-05-01T10:01:00Z'), fireAnchor: created })
  })

  it('goes on with the rhythm of its interval when enabled again', () => {
    const interval = { kind: 'interval', everyMs: 7_000 }
    const { nextFireAt } = fireStateAfter(
      { ...job({ trigger: interval, enabled: false }), nextFireAt: null, fireAnchor: created },
      job({ trigger: interval }),
      NOW,
    )
    expect(((nextFireAt?.getTime() ?? 0) - created.getTime()) % 7_000).toBe(0)
    expect(nextFireAt?.getTime()).toBeGreaterThan(NOW)
  })

  it('may keep a time that has passed, but not be given one', () => {
    const once = { kind: 'once', at: '2027-05-01T09:00:00Z' }
    expect(fireStateAfter({ ...job({ trigger: once }), nextFireAt: null, fireAnchor: created }, job({ trigger: once, priority: 3 }), NOW).nextFireAt).toBeNull()
    expect(
      fireStateAfter({ ...job({ trigger: once, enabled: false }), nextFireAt: null, fireAnchor: created }, job({ trigger: once }), NOW).nextFireAt,
    ).toBeNull()
    expect(() => fireStateAfter(before, job({ trigger: once }), NOW)).toThrow('trigger.at')
  })
})
