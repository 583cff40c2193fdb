import { Module } from '@nestjs/common'
import { InstancesModule } from '../instances/instances.module.js'
import { FollowHub } from './follow/follow-hub.js'
import { FollowService } from './follow/follow.service.js'
import { LogReader } from './log-reader.service.js'
import { LogStorageModule } from './log-storage.module.js'
import { LogsController } from './logs.controller.js'
import { LogsService } from './logs.service.js'
import { RawLogService } from './raw-log.service.js'

/** The reading side of logs: pages, raw, follow, verify. */
@Module({
  imports: [LogStorageModule, InstancesModule],
  controllers: [LogsController],
  providers: [LogReader, LogsService, RawLogService, FollowHub, FollowService],
  exports: [LogReader],
})
export class LogsModule {}
