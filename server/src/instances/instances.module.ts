import { Module } from '@nestjs/common'
import { AuditModule } from '../audit/audit.module.js'
import { EngineModule } from '../engine/engine.module.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { WorkersModule } from '../workers/workers.module.js'
import { InstanceDetailsService } from './instance-details.service.js'
import { InstanceListService } from './instance-list.service.js'
import { InstancesController } from './instances.controller.js'

/** What people see and do of runs; the engine does the work. */
@Module({
  imports: [EngineModule, LogStorageModule, WorkersModule, AuditModule],
  controllers: [InstancesController],
  providers: [InstanceDetailsService, InstanceListService],
})
export class InstancesModule {}
