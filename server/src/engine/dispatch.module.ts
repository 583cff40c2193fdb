import { Module } from '@nestjs/common'
import { InstancesModule } from '../instances/instances.module.js'
import { JobsModule } from '../jobs/jobs.module.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { WorkersModule } from '../workers/workers.module.js'
import { Births } from './births.js'
import { Claims } from './claims.js'
import { Completion } from './completion.js'
import { Dispatcher } from './dispatcher.js'
import { Leases } from './leases.js'
import { LimitedRuns } from './limited-runs.js'
import { PermitsRepository } from './permits.repository.js'
import { Placement } from './placement.js'
import { QueueModule } from './queue.module.js'
import { RunLanes } from './run-lanes.js'
import { Settlement } from './settlement.js'
import { StaleJobs } from './stale-jobs.js'
import { SweepLock } from './sweep-lock.js'
import { Sweeper } from './sweeper.js'

@Module({
  imports: [QueueModule, InstancesModule, JobsModule, LogStorageModule, WorkersModule],
  providers: [PermitsRepository, Claims, RunLanes, LimitedRuns, Placement, Dispatcher, Births, Settlement, Completion, Leases, StaleJobs, SweepLock, Sweeper],
  exports: [Completion, Leases],
})
export class DispatchModule {}
