import { expect, test } from 'vitest'
import { ChangeJob, CreateJob } from './jobs.js'

test('a secret that is blank or nearly so is refused, and the field is named', () => {
  const job = { name: 'nightly', trigger: { kind: 'manual' }, processor: { kind: 'shell', script: 'true' } }
  for (const value of ['        ', ' a b c ', '\n\n\n\n', 'abc']) {
    for (const parsed of [CreateJob.safeParse({ ...job, secrets: { TOKEN: value } }), ChangeJob.safeParse({ revision: 1, secrets: { TOKEN: value } })])
      expect(parsed.error?.issues).toMatchObject([{ path: ['secrets', 'TOKEN'] }])
  }
  expect(CreateJob.safeParse({ ...job, secrets: { TOKEN: 'a b c d' } }).success).toBe(true)
  expect(ChangeJob.safeParse({ revision: 1, secrets: { KEPT: '***', GONE: null } }).success).toBe(true)
})
