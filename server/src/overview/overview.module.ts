import { Module } from '@nestjs/common'
import { EngineModule } from '../engine/engine.module.js'
import { WorkersModule } from '../workers/workers.module.js'
import { OverviewController } from './overview.controller.js'
import { OverviewRepository } from './overview.repository.js'
import { OverviewService } from './overview.service.js'
import { WorkerRunsService } from './worker-runs.service.js'

/** What the console's first page shows: reads only. */
@Module({ imports: [EngineModule, WorkersModule], controllers: [OverviewController], providers: [OverviewRepository, OverviewService, WorkerRunsService] })
export class OverviewModule {}
