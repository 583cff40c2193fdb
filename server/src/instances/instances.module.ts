import { Module } from '@nestjs/common'
import { AuditModule } from '../audit/audit.module.js'
import { QueueModule } from '../engine/queue.module.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { WorkersModule } from '../workers/workers.module.js'
import { AttemptsRepository } from '../engine/attempts.repository.js'
import { InstanceListService } from './instance-list.service.js'
import { InstancesController } from './instances.controller.js'
import { InstancesRepository } from '../engine/instances.repository.js'
import { InstancesService } from '../engine/instances.service.js'
import { RevisitsRepository } from '../engine/revisits.repository.js'

@Module({
  imports: [QueueModule, LogStorageModule, WorkersModule, AuditModule],
  controllers: [InstancesController],
  providers: [InstancesRepository, AttemptsRepository, RevisitsRepository, InstancesService, InstanceListService],
  exports: [InstancesRepository, AttemptsRepository, RevisitsRepository, InstancesService],
})
export class InstancesModule {}
