import { Injectable, type OnModuleInit } from '@nestjs/common'
import { InstancesService } from '../engine/instances.service.js'
import { type EndedRun, OutcomeConsumers } from '../engine/ports/outcome-consumers.js'
import { Clock } from '../platform/clock.js'
import { followingRuns } from './domain/after.js'
import { AFTER } from './domain/job.js'
import { JobsRepository } from './jobs.repository.js'

const AT_ONCE = 500

/** Runs the jobs that wait for the end of another job's run. Which they are is decided by their definitions at that moment: one that is disabled or removed by then does not run. */
@Injectable()
export class AfterRuns implements OnModuleInit {
  constructor(
    private readonly consumers: OutcomeConsumers,
    private readonly jobs: JobsRepository,
    private readonly instances: InstancesService,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.consumers.register(AFTER, (runs) => this.follow(runs))
  }

  /** Idempotent: each run has one key for each job that follows it. */
  private async follow(runs: readonly EndedRun[]): Promise<void> {
    const followers = await this.jobs.findFollowers([...new Set(runs.map(({ jobId }) => jobId))])
    const following = followingRuns(runs, followers, this.clock.now())
    for (let at = 0; at < following.length; at += AT_ONCE) await this.instances.createMany(following.slice(at, at + AT_ONCE))
  }
}
