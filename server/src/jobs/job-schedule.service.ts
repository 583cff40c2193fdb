import { Injectable } from '@nestjs/common'
import type { Advance, DueJob } from './domain/job.js'
import { JobsRepository } from './jobs.repository.js'

/** What the scheduler reads and writes of jobs. */
@Injectable()
export class JobScheduleService {
  constructor(private readonly repository: JobsRepository) {}

  /** Enabled jobs with a fire time up to `until` (ms), those that are due longest first. */
  due(until: number, limit: number, exceptIds: string[]): Promise<DueJob[]> {
    return this.repository.findDue(new Date(until), limit, exceptIds)
  }

  /** Jobs that were changed or advanced meanwhile stay as they are. */
  async advance(advances: Advance[]): Promise<void> {
    if (advances.length > 0) await this.repository.advance(advances)
  }
}
