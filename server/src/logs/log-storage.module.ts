import { Module } from '@nestjs/common'
import { AttemptLogs } from '../engine/ports/attempt-logs.js'
import { LogExpiry } from './log-expiry.service.js'
import { LogIngestService } from './log-ingest.service.js'
import { LogStore } from './log-store.js'
import { LogStreamsRepository } from './log-streams.repository.js'
import { LogStreamsService } from './log-streams.service.js'
import { LogStreamsSweeper } from './log-streams.sweeper.js'
import { MongoLogStore } from './mongo-log-store.js'

/** Stores, takes in, seals and drops logs. Knows no other feature, so that any may use it. */
@Module({
  providers: [
    { provide: LogStore, useClass: MongoLogStore },
    LogStreamsRepository,
    LogStreamsService,
    LogIngestService,
    LogStreamsSweeper,
    LogExpiry,
    { provide: AttemptLogs, useExisting: LogStreamsService },
  ],
  exports: [AttemptLogs, LogStore, LogStreamsService, LogIngestService, LogExpiry],
})
export class LogStorageModule {}
