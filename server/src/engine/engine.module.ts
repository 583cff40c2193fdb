import { Module } from '@nestjs/common'
import { AttemptQueue } from './attempt-queue.js'
import { AttemptsRepository } from './attempts.repository.js'
import { Births } from './births.js'
import { Claims } from './claims.js'
import { Completion } from './completion.js'
import { Dispatcher } from './dispatcher.js'
import { EndedRuns } from './ended-runs.service.js'
import { InstanceReads } from './instance-reads.service.js'
import { InstancesRepository } from './instances.repository.js'
import { InstancesService } from './instances.service.js'
import { Leases } from './leases.js'
import { LimitedRuns } from './limited-runs.js'
import { OutcomeHints } from './outcome-hints.js'
import { OutcomesRepository } from './outcomes.repository.js'
import { Outcomes } from './outcomes.service.js'
import { PermitsRepository } from './permits.repository.js'
import { Placement } from './placement.js'
import { OutcomeConsumers } from './ports/outcome-consumers.js'
import { RevisitsRepository } from './revisits.repository.js'
import { RunLanes } from './run-lanes.js'
import { RunStatisticsRepository } from './run-statistics.repository.js'
import { RunStatistics } from './run-statistics.service.js'
import { Settlement } from './settlement.js'
import { StaleJobs } from './stale-jobs.js'
import { SweepLock } from './sweep-lock.js'
import { Sweeper } from './sweeper.js'

/** Keeps, queues, places and settles runs. Knows neither HTTP nor sockets, and no other feature: what it needs of them it says in `ports/`, and `PortsModule` connects. */
@Module({
  providers: [
    InstancesRepository,
    AttemptsRepository,
    PermitsRepository,
    RevisitsRepository,
    RunStatisticsRepository,
    AttemptQueue,
    InstancesService,
    InstanceReads,
    EndedRuns,
    RunStatistics,
    Claims,
    Births,
    RunLanes,
    LimitedRuns,
    Placement,
    Dispatcher,
    OutcomesRepository,
    OutcomeConsumers,
    OutcomeHints,
    Outcomes,
    Settlement,
    Completion,
    Leases,
    StaleJobs,
    SweepLock,
    Sweeper,
  ],
  exports: [InstancesService, InstanceReads, EndedRuns, RunStatistics, Completion, Leases, OutcomeConsumers],
})
export class EngineModule {}
