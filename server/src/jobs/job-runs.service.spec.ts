import { expect, test } from 'vitest'
import type { AuditEntry, AuditService } from '../audit/audit.service.js'
import { Principal } from '../rights/principal.js'
import type { Created, InstancesService } from '../engine/instances.service.js'
import type { Clock } from '../platform/clock.js'
import { JobRunsService } from './job-runs.service.js'
import type { JobsService } from './jobs.service.js'

const JOB = {
  ...{ _id: 'job', namespace: 'default', name: 'report', revision: 1, priority: 0, maxConcurrent: 0, params: {} },
  routing: { group: 'default', tags: [] },
  processor: { kind: 'shell', script: 'true' },
}

test('runs that were made beside a key that another request took just then are recorded, and the answer says that they were made', async () => {
  const recorded: AuditEntry[] = []
  const results: Created[] = [
    { instanceId: 'a', created: true },
    { instanceId: 'theirs', created: false, isOther: true },
    { instanceId: 'c', created: true },
  ]
  const service = new JobRunsService(
    { requireJob: () => Promise.resolve(JOB) } as unknown as JobsService,
    { usedByOthers: () => Promise.resolve(new Map()), createMany: () => Promise.resolve(results) } as unknown as InstancesService,
    { record: (entry: AuditEntry) => Promise.resolve(recorded.push(entry)) } as unknown as AuditService,
    { now: () => 0 } as Clock,
  )
  const runs = ['a', 'b', 'c'].map((idempotencyKey) => ({ delayMs: 0, idempotencyKey }))
  const refusal = service.run(new Principal('user', 'u', 'u', { '*': 'operator' }, null, null), 'job', runs, (index) => `runs[${index}].`)
  await expect(refusal).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(/^runs\[1\]\.idempotencyKey: .* theirs,.* 2 other runs of this list were made/),
  })
  expect(recorded).toMatchObject([{ action: 'job.run', details: { instances: 2, firstInstanceId: 'a' } }])
})
