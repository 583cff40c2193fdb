import { CreateJob, type JobView } from '@jobtrail/shared/api/jobs'
import { ExactJson, parseExact, stringifyExact } from '@jobtrail/shared/json/exact-json'
import { errorsOfIssues, type FieldErrors } from './field-path'
import { draftOf, type JobDraft } from './job-draft'

/** One job of an imported file: what it says, and what is wrong with it. `id`: what other jobs of the file call it by. */
export type ImportedJob = { id?: string; draft: JobDraft; name: string; errors: FieldErrors; droppedSecrets: string[] }
type ExportFile = { jobtrail: 'jobs'; version: 1; jobs: (JobDraft & { id: string })[] }

/** Without secrets, which can't be read, and without what belongs to one place (namespace, times). By their IDs the jobs of a file may name each other. */
export function exportOf(jobs: readonly JobView[]): ExportFile {
  return { jobtrail: 'jobs', version: 1, jobs: jobs.map((job) => ({ id: job.id, ...withoutUndefined(draftOf(job)), secrets: {} })) }
}

/** A file as text: JSON with the params of its jobs exactly, undefined for what is no JSON. */
export function parseJobsJson(text: string): unknown {
  try {
    return parseExact(text, [['params'], ['*', 'params'], ['jobs', '*', 'params']])
  } catch {
    return undefined // it may be YAML
  }
}

/** YAML is for people; what its numbers and keys could not hold is written as JSON, which is YAML too. */
export const needsJson = (file: ExportFile): boolean => file.jobs.some(({ params }) => params instanceof ExactJson)

/** Takes an exported file, a list of jobs or one job, already parsed. Throws RangeError, in words for the user, for anything else. */
export function importOf(parsed: unknown): ImportedJob[] {
  const jobs = jobsIn(parsed)
  if (jobs.length === 0) throw new RangeError('empty')
  if (jobs.length > 500) throw new RangeError('tooMany')
  return jobs.map(importedJob)
}

function jobsIn(parsed: unknown): unknown[] {
  if (Array.isArray(parsed)) return parsed
  if (typeof parsed !== 'object' || parsed === null) throw new RangeError('notJobs')
  if ('jobs' in parsed && Array.isArray(parsed.jobs)) return parsed.jobs
  if ('processor' in parsed || 'trigger' in parsed) return [parsed]
  throw new RangeError('notJobs')
}

const ANSWER_MEMBERS = ['id', 'namespace', 'revision', 'nextFireAt', 'createdAt', 'updatedAt']

function importedJob(job: unknown): ImportedJob {
  if (typeof job !== 'object' || job === null || Array.isArray(job))
    return { draft: {} as JobDraft, name: '?', errors: { '': 'must be an object' }, droppedSecrets: [] }
  // What an answer of the API carries besides the definition is no error in a file.
  const members = Object.fromEntries(Object.entries(job).filter(([name]) => !ANSWER_MEMBERS.includes(name)))
  const secrets = typeof members['secrets'] === 'object' && members['secrets'] !== null ? Object.entries(members['secrets']) : []
  const droppedSecrets = secrets.filter(([, value]) => value === '***').map(([name]) => name)
  if (droppedSecrets.length > 0) members['secrets'] = Object.fromEntries(secrets.filter(([, value]) => value !== '***'))
  const checked = CreateJob.safeParse(members)
  const name = typeof members['name'] === 'string' ? members['name'] : '?'
  const id = 'id' in job && typeof job.id === 'string' ? { id: job.id } : {}
  return { ...id, draft: members as JobDraft, name, errors: checked.success ? {} : errorsOfIssues(checked.error.issues), droppedSecrets }
}

const withoutUndefined = <T>(value: T): T => parseExact(stringifyExact(value), [['params']]) as T
