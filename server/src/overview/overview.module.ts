import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { EngineModule } from '../engine/engine.module.js'
import { JobsModule } from '../jobs/jobs.module.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { WorkersModule } from '../workers/workers.module.js'
import { OverviewController } from './overview.controller.js'
import { OverviewReads } from './overview-reads.service.js'
import { OverviewService } from './overview.service.js'
import { WorkerRunsService } from './worker-runs.service.js'

/** What the console's first page shows: reads only. */
@Module({
  imports: [AuthModule, EngineModule, JobsModule, LogStorageModule, WorkersModule],
  controllers: [OverviewController],
  providers: [OverviewReads, OverviewService, WorkerRunsService],
})
export class OverviewModule {}
