import { expect, it } from 'vitest'
import { CreateJob, JobRevisionView, JobView } from '@jobtrail/api/jobs'
import { definitionOf, instanceJobOf, type JobDocument, jobRevisionKey, jobRevisionView, jobView, revisionOf } from './job.js'

const at = new Date('2027-05-01T10:00:00.000Z')
const job: JobDocument = {
  ...definitionOf(
    CreateJob.parse({
      name: 'job',
      trigger: { kind: 'cron', expression: '* * * * *' },
      processor: { kind: 'handler', handler: 'greet' },
      secrets: { TOKEN: 'do-not-show' },
    }),
  ),
  _id: '01900000-0000-7000-8000-000000000000',
  namespace: 'default',
  revision: 3,
  nextFireAt: at,
  fireAnchor: at,
  createdAt: at,
  updatedAt: at,
  createdBy: 'admin',
  updatedBy: 'admin',
}

it('answers hold the names of secrets, never their values', () => {
  const [view, revision] = [jobView(job), jobRevisionView(revisionOf(job))]
  expect(view.secrets).toEqual({ TOKEN: '***' })
  expect(revision.definition.secrets).toEqual({ TOKEN: '***' })
  expect(JSON.stringify([view, revision])).not.toContain('do-not-show')
})

it('answers are what their schemas say', () => {
  expect(JobView.parse(jobView(job))).toEqual(jobView(job))
  expect(JobRevisionView.parse(jobRevisionView(revisionOf(job)))).toEqual(jobRevisionView(revisionOf(job)))
})

it('a stored revision holds what a run needs, secrets too', () => {
  expect(revisionOf(job).definition.secrets).toEqual({ TOKEN: 'do-not-show' })
  expect(revisionOf(job).definition).not.toHaveProperty('nextFireAt')
})

it('the key of a revision has its fields in the order of the stored ones', () => {
  expect(Object.keys(jobRevisionKey('x', 1))).toEqual(['job', 'revision'])
})

it('an instance is routed by the handler, where there is one', () => {
  expect(instanceJobOf(job).handler).toBe('greet')
  expect(instanceJobOf({ ...job, processor: { kind: 'shell' } }).handler).toBeNull()
})
