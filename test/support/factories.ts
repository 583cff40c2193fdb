import { randomBytes } from 'node:crypto'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { InstanceDetail } from '@jobtrail/api/instances'
import { type CreateJob, JobView, RunCreated } from '@jobtrail/api/jobs'
import { LogPage } from '@jobtrail/api/logs'
import { isCheckedLog, isFinalInstance } from '@jobtrail/protocol/domain/statuses'

/** A job as it is sent: whatever has a default may be left out. */
export type JobInput = (typeof CreateJob)['_zod']['input']

/** A name that no other test uses. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`
}

/** A job that is run by hand and executes a shell script. */
export function shellJob(script: string, more: Partial<JobInput> = {}): JobInput {
  return { name: uniqueName('shell'), trigger: { kind: 'manual' }, processor: { kind: 'shell', script }, ...more }
}

/** A job that is run by hand and executes a program, without a shell between. */
export function commandJob(command: string, args: string[], more: Partial<JobInput> = {}): JobInput {
  return { name: uniqueName('command'), trigger: { kind: 'manual' }, processor: { kind: 'shell', command, args }, ...more }
}

/** A job that is run by hand and calls a handler of a worker made with the SDK. */
export function handlerJob(handler: string, more: Partial<JobInput> = {}): JobInput {
  return { name: uniqueName('handler'), trigger: { kind: 'manual' }, processor: { kind: 'handler', handler }, ...more }
}

/** Defines a job. */
export function createJob(api: ApiClient, job: JobInput): Promise<JobView> {
  return api.post('/api/jobs', job, JobView)
}

/** Runs a job and gives the instance's ID. */
export async function runJob(api: ApiClient, jobId: string, body: Record<string, unknown> = {}): Promise<string> {
  return (await api.post(`/api/jobs/${jobId}/runs`, body, RunCreated)).instanceId
}

/** Defines a job and runs it. */
export async function createAndRun(api: ApiClient, job: JobInput): Promise<{ job: JobView; instanceId: string }> {
  const created = await createJob(api, job)
  return { job: created, instanceId: await runJob(api, created.id) }
}

export function getInstance(api: ApiClient, instanceId: string): Promise<InstanceDetail> {
  return api.get(`/api/instances/${instanceId}`, InstanceDetail)
}

/** Waits until an instance fulfils a condition, and returns it. */
export function waitForInstance(
  api: ApiClient,
  instanceId: string,
  what: string,
  condition: (instance: InstanceDetail) => boolean,
  timeoutMs = 60_000,
): Promise<InstanceDetail> {
  return waitFor(
    async () => {
      const instance = await getInstance(api, instanceId)
      return condition(instance) ? instance : undefined
    },
    { timeoutMs, what: `instance ${instanceId}: ${what}`, intervalMs: 50 },
  )
}

/** Waits until an instance has ended, however it ended. */
export function waitForEnd(api: ApiClient, instanceId: string, timeoutMs = 60_000): Promise<InstanceDetail> {
  return waitForInstance(api, instanceId, 'has ended', ({ status }) => isFinalInstance(status), timeoutMs)
}

/** Waits until an instance has ended and the log of its latest attempt is sealed, as whole or as partial: that is for the caller to look at. */
export function waitForSealed(api: ApiClient, instanceId: string, timeoutMs = 60_000): Promise<InstanceDetail> {
  return waitForInstance(api, instanceId, 'has ended and its log is sealed', ({ status, log }) => isFinalInstance(status) && isCheckedLog(log.state), timeoutMs)
}

/** One page of a log. */
export function logPage(api: ApiClient, instanceId: string, query = 'from=0&limit=1000'): Promise<LogPage> {
  return api.get(`/api/instances/${instanceId}/logs?${query}`, LogPage)
}

/** The log as the process wrote it. */
export function rawLog(api: ApiClient, instanceId: string, query = ''): Promise<Buffer> {
  return api.bytes(`/api/instances/${instanceId}/logs/raw${query === '' ? '' : `?${query}`}`)
}
