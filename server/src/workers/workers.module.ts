import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { AuditModule } from '../audit/audit.module.js'
import { WorkerDirectory } from './worker-directory.js'
import { WorkerTokenWatch } from './worker-token-watch.js'
import { WorkerRegistry } from './worker-registry.js'
import { WorkersController } from './workers.controller.js'
import { WorkersRepository } from './workers.repository.js'

@Module({
  imports: [AuditModule, AuthModule],
  controllers: [WorkersController],
  providers: [WorkersRepository, WorkerRegistry, WorkerTokenWatch, WorkerDirectory],
  exports: [WorkersRepository, WorkerRegistry, WorkerTokenWatch, WorkerDirectory],
})
export class WorkersModule {}
