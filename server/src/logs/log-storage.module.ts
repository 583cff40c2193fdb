import { Module } from '@nestjs/common'
import { AttemptLogs } from '../engine/ports/attempt-logs.js'
import { EngineModule } from '../engine/engine.module.js'
import { LogBackfillLock } from './backfill/log-backfill-lock.js'
import { LogBackfillRepository } from './backfill/log-backfill.repository.js'
import { LogOwnersBackfill } from './backfill/log-owners-backfill.js'
import { LogIdFormRepository } from './ids/log-id-form.repository.js'
import { LogIdSwitch } from './ids/log-id-switch.js'
import { LogIds } from './ids/log-ids.js'
import { LogExpiry } from './log-expiry.service.js'
import { LogIngestService } from './log-ingest.service.js'
import { LogOwners } from './log-owners.service.js'
import { LogStore } from './log-store.js'
import { LogStreamsRepository } from './log-streams.repository.js'
import { LogStreamsService } from './log-streams.service.js'
import { LogStreamsSweeper } from './log-streams.sweeper.js'
import { MongoLogStore } from './mongo-log-store.js'

/** Stores, takes in, seals and drops logs. */
@Module({
  imports: [EngineModule],
  providers: [
    LogIds,
    LogIdFormRepository,
    LogIdSwitch,
    { provide: LogStore, useClass: MongoLogStore },
    LogStreamsRepository,
    LogOwners,
    LogStreamsService,
    LogIngestService,
    LogStreamsSweeper,
    LogExpiry,
    LogBackfillRepository,
    LogBackfillLock,
    LogOwnersBackfill,
    { provide: AttemptLogs, useExisting: LogStreamsService },
  ],
  exports: [AttemptLogs, LogStore, LogStreamsService, LogIngestService, LogExpiry],
})
export class LogStorageModule {}
