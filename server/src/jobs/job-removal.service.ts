import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { Interval } from '@nestjs/schedule'
import { InstancesService } from '../engine/instances.service.js'
import { Principal } from '../rights/principal.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Shutdown } from '../platform/shutdown.js'
import { JobsService } from './jobs.service.js'
import { RemovedJobsRepository } from './removed-jobs.repository.js'

const SWEEP_MS = 5_000
const PAGE = 100
/** Whoever read the job before it was removed has stored the instances made from it by then. */
const LATE_INSTANCES_MS = 60_000
const WHY = 'The job was removed while this instance waited'

/** Removes jobs. What waits of a removed job is cancelled; what runs goes on to its end, and a retry that would follow it is cancelled if it waits for longer than a sweep. */
@Injectable()
export class JobRemovalService implements OnApplicationBootstrap {
  private isSweeping = false
  private isStopped = false
  private after = ''

  constructor(
    private readonly jobs: JobsService,
    private readonly removed: RemovedJobsRepository,
    private readonly instances: InstancesService,
    private readonly clock: Clock,
    private readonly shutdown: Shutdown,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.shutdown.register('take', 'job removal', () => {
      this.isStopped = true
    })
  }

  async remove(principal: Principal, id: string): Promise<void> {
    await this.jobs.remove(principal, id)
    try {
      await this.instances.cancelWaitingOf(id, WHY)
    } catch (err) {
      this.logger.warn('A job is removed, its waiting instances not cancelled yet; the sweep does it', { jobId: id, err })
    }
  }

  /** Cancels what was stored after the removal, or not reached because a server died: every server does it, and again does no harm. */
  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    if (this.isSweeping || this.isStopped) return
    this.isSweeping = true
    try {
      const page = await this.removed.list(this.after, PAGE)
      this.after = page.length < PAGE ? '' : (page.at(-1)?._id ?? '')
      for (const { _id, removedAt } of page) {
        await this.instances.cancelWaitingOf(_id, WHY)
        const isOld = this.clock.now() - removedAt.getTime() > LATE_INSTANCES_MS
        if (isOld && !(await this.instances.hasUnfinished(_id))) await this.removed.delete(_id)
      }
    } catch (err) {
      this.logger.warn('Instances of removed jobs were not cancelled yet; the next sweep goes on', { err })
    } finally {
      this.isSweeping = false
    }
  }
}
