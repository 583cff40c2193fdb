import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { EngineModule } from '../engine/engine.module.js'
import { JobsModule } from '../jobs/jobs.module.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { WorkersModule } from '../workers/workers.module.js'
import { HistoryRemoval } from './history-removal.service.js'
import { NamespaceRemoval } from './namespace-removal.service.js'
import { Removal } from './removal.service.js'
import { NamespaceRemovalLock, RetentionLock } from './retention-lock.js'
import { RetentionProgressRepository } from './retention-progress.repository.js'
import { RetentionService } from './retention.service.js'

/** How long runs, logs and the history of changes are kept, and what becomes of those of a removed namespace. */
@Module({
  imports: [AuthModule, EngineModule, JobsModule, LogStorageModule, WorkersModule],
  providers: [RetentionLock, NamespaceRemovalLock, RetentionProgressRepository, Removal, HistoryRemoval, RetentionService, NamespaceRemoval],
})
export class RetentionModule {}
