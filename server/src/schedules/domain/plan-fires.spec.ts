import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Trigger } from '@jobtrail/api/jobs'
import type { DueJob } from '../../jobs/domain/job.js'
import { planFires } from './plan-fires.js'

const START = Date.parse('2027-05-01T10:00:00.000Z')
const LIMITS = { perJob: 100, total: 5_000 }
const dueJob = (members: Partial<DueJob> = {}): DueJob => ({
  _id: 'job-1',
  namespace: 'default',
  name: 'job',
  revision: 7,
  priority: 0,
  routing: { group: 'default', tags: [] },
  maxConcurrent: 0,
  processor: { kind: 'shell' },
  params: { a: 1 },
  fireAnchor: new Date(START),
  trigger: { kind: 'interval', everyMs: 1_000 },
  nextFireAt: new Date(START),
  ...members,
})
const once: Trigger = { kind: 'once', at: new Date(START).toISOString() }

describe('planning the fires of due jobs', () => {
  it('makes an instance of each fire time up to the horizon, and the first beyond it is the next', () => {
    const { planned } = planFires([dueJob()], START + 2_500, LIMITS)
    expect(planned.map(({ instances }) => instances.map(({ scheduledFor, dueAt }) => [scheduledFor, dueAt]))).toEqual([
      [
        [START, START],
        [START + 1_000, START + 1_000],
        [START + 2_000, START + 2_000],
      ],
    ])
    expect(planned[0]?.advance).toEqual({ jobId: 'job-1', revision: 7, from: new Date(START), to: new Date(START + 3_000) })
  })

  it('makes an instance of what the trigger says, with the params of the job', () => {
    const [instance] = planFires([dueJob({ processor: { kind: 'handler', handler: 'greet' } })], START, LIMITS).planned[0]?.instances ?? []
    expect(instance).toMatchObject({ job: { id: 'job-1', revision: 7, handler: 'greet' }, params: { a: 1 }, cause: { kind: 'schedule', by: null } })
  })

  it('has no next fire time after the last', () => {
    expect(planFires([dueJob({ trigger: once })], START + 2_000, LIMITS).planned[0]?.advance.to).toBeNull()
  })

  it('fires each time that an outage held up, some at a time', () => {
    const outage = 250_000
    let job = dueJob()
    const times: (number | null)[] = []
    for (let round = 0; round < 4; round++) {
      const plan = planFires([job], START + outage, LIMITS).planned[0]
      expect(plan?.instances.length).toBeLessThanOrEqual(100)
      times.push(...(plan?.instances ?? []).map(({ scheduledFor }) => scheduledFor))
      job = dueJob({ nextFireAt: plan?.advance.to ?? new Date(Number.NaN) })
      if (job.nextFireAt.getTime() > START + outage) break
    }
    expect(times).toEqual(Array.from({ length: 251 }, (_, i) => START + i * 1_000))
  })

  it('leaves jobs for the next plan once it has enough instances', () => {
    const jobs = ['a', 'b', 'c', 'd'].map((_id) => dueJob({ _id }))
    const { planned } = planFires(jobs, START + 9_000, { perJob: 10, total: 25 })
    expect(planned.map(({ advance, instances }) => [advance.jobId, instances.length])).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 5],
    ])
  })

  it('goes on with the others when one job cannot be computed', () => {
    const bad = dueJob({ _id: 'bad', trigger: { kind: 'cron', expression: 'nonsense', timeZone: 'UTC' } })
    const { planned, failed } = planFires([dueJob({ _id: 'a' }), bad, dueJob({ _id: 'b' })], START, LIMITS)
    expect(planned.map(({ advance }) => advance.jobId)).toEqual(['a', 'b'])
    expect(failed.map(({ jobId }) => jobId)).toEqual(['bad'])
  })

  it('gives the same times however the rounds fall: each once, none left out', () => {
    const trigger = fc.oneof(
      fc.integer({ min: 100, max: 5_000 }).map((everyMs): Trigger => ({ kind: 'interval', everyMs })),
      fc.constantFrom('* * * * * *', '*/7 * * * * *', '0 * * * * *').map((expression): Trigger => ({ kind: 'cron', expression, timeZone: 'Europe/Berlin' })),
    )
    fc.assert(
      fc.property(
        trigger,
        fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 100 }),
        (each, pauses, perJob) => {
          const end = START + pauses.reduce((sum, pause) => sum + pause, 0)
          const collect = (horizons: number[], limit: number): (number | null)[] => {
            const times: (number | null)[] = []
            let next = new Date(START)
            for (const horizon of horizons) {
              while (next.getTime() <= horizon) {
                const [plan] = planFires([dueJob({ trigger: each, nextFireAt: next })], horizon, { perJob: limit, total: 5_000 }).planned
                if (plan === undefined || plan.advance.to === null) throw new Error('these triggers go on for ever')
                times.push(...plan.instances.map(({ scheduledFor }) => scheduledFor))
                next = plan.advance.to
              }
            }
            return times
          }
          let now = START
          const horizons = pauses.map((pause) => (now += pause))
          expect(collect(horizons, perJob)).toEqual(collect([end], 5_000))
        },
      ),
      { numRuns: 50 },
    )
  })
})
