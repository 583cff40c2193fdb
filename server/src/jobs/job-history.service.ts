import { Injectable } from '@nestjs/common'
import type { JobRevisionKey } from './domain/job.js'
import { JobRevisionsRepository } from './job-revisions.repository.js'
import { JobsRepository } from './jobs.repository.js'
import { RemovedJobsRepository } from './removed-jobs.repository.js'

/** What retention asks of jobs and their revisions. */
@Injectable()
export class JobHistory {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly revisions: JobRevisionsRepository,
    private readonly removed: RemovedJobsRepository,
  ) {}

  /** Keys of the revisions of all jobs, in order. */
  revisionsAfter(after: JobRevisionKey | undefined, limit: number): Promise<JobRevisionKey[]> {
    return this.revisions.keysAfter(after, limit)
  }

  /** When revisions were made; undefined for those that are gone. In the order of `keys`. */
  timesOf(keys: readonly JobRevisionKey[]): Promise<(Date | undefined)[]> {
    return this.revisions.timesOf(keys)
  }

  /** The present revision of each job that is there, with its namespace. */
  headsOf(jobIds: readonly string[]): Promise<Map<string, { namespace: string; revision: number }>> {
    return this.jobs.findHeads(jobIds)
  }

  /** Whether the job was removed so lately that a run of it may still be stored late. */
  mayStillRun(jobId: string): Promise<boolean> {
    return this.removed.has(jobId)
  }

  deleteRevisions(keys: readonly JobRevisionKey[]): Promise<void> {
    return this.revisions.delete(keys)
  }

  /** Some revisions of a namespace that was removed; how many. */
  deleteSomeOf(namespace: string): Promise<number> {
    return this.revisions.deleteSomeOf(namespace)
  }
}
