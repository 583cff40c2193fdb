import { Module } from '@nestjs/common'
import { AuditModule } from '../audit/audit.module.js'
import { WorkerDirectory } from './worker-directory.js'
import { WorkerRegistry } from './worker-registry.js'
import { WorkersController } from './workers.controller.js'
import { WorkersRepository } from './workers.repository.js'

@Module({
  imports: [AuditModule],
  controllers: [WorkersController],
  providers: [WorkersRepository, WorkerRegistry, WorkerDirectory],
  exports: [WorkersRepository, WorkerRegistry, WorkerDirectory],
})
export class WorkersModule {}
