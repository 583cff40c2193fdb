import { Injectable } from '@nestjs/common'
import type { Advance, DueJob } from './domain/job.js'
import { JobsRepository } from './jobs.repository.js'

/** What the scheduler reads and writes of jobs. */
@Injectable()
export class JobScheduleService {
  constructor(private readonly repository: JobsRepository) {}

  /** Enabled jobs whose next fire time is after `after` and up to `until` (ms), those that are due longest first. */
  due({ after, until }: { after: number; until: number }, limit: number, exceptIds: string[]): Promise<DueJob[]> {
    return this.repository.findDue(new Date(after), new Date(until), limit, exceptIds)
  }

  /** Jobs that were changed or advanced meanwhile stay as they are. */
  async advance(advances: Advance[]): Promise<void> {
    if (advances.length > 0) await this.repository.advance(advances)
  }
}
