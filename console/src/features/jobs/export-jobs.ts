import type { JobView } from '@jobtrail/api/jobs'
import { stringifyExact } from '@jobtrail/api/exact-json'
import { download } from './download'
import { exportOf, needsJson } from './logic/transfer'

export type ExportFormat = 'yaml' | 'json'

/** One file with the definitions of the jobs, without their secrets. */
export async function exportJobs(jobs: readonly JobView[], format: ExportFormat): Promise<void> {
  const [first] = jobs
  const name = jobs.length === 1 && first !== undefined ? first.name : `jobs-${new Date().toISOString().slice(0, 10)}`
  const file = exportOf(jobs)
  const json = `${stringifyExact(file, 2)}\n`
  if (format === 'json') return download(`${name}.json`, json, 'application/json')
  if (needsJson(file)) return download(`${name}.yaml`, json, 'application/yaml')
  const { stringify } = await import('yaml')
  return download(`${name}.yaml`, stringify(file, { lineWidth: 0 }), 'application/yaml')
}
