import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { EngineModule } from '../engine/engine.module.js'
import { ConsoleGateway } from './console.gateway.js'
import { FollowHub } from './follow/follow-hub.js'
import { FollowService } from './follow/follow.service.js'
import { LogReader } from './log-reader.service.js'
import { LogStorageModule } from './log-storage.module.js'
import { LogsController } from './logs.controller.js'
import { LogsService } from './logs.service.js'
import { RawLogService } from './raw-log.service.js'
import { LogSearchController } from './search/log-search.controller.js'
import { LogSearchService } from './search/log-search.service.js'
import { SearchPool } from './search/search-pool.js'

/** The reading side of logs: pages, search, raw, follow (SSE and socket.io), verify. */
@Module({
  imports: [AuthModule, LogStorageModule, EngineModule],
  controllers: [LogsController, LogSearchController],
  providers: [LogReader, LogsService, RawLogService, LogSearchService, SearchPool, FollowHub, FollowService, ConsoleGateway],
  exports: [LogReader],
})
export class LogsModule {}
