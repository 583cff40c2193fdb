import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { AuditModule } from '../audit/audit.module.js'
import { EngineModule } from '../engine/engine.module.js'
import { WorkerSlots } from '../engine/ports/workers.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { WorkerDirectory } from './worker-directory.js'
import { WorkerTokenWatch } from './worker-token-watch.js'
import { WorkerRegistry } from './worker-registry.js'
import { WorkerSessions } from './worker-sessions.js'
import { WorkersController } from './workers.controller.js'
import { WorkersGateway } from './workers.gateway.js'
import { WorkersRepository } from './workers.repository.js'

@Module({
  imports: [AuditModule, AuthModule, EngineModule, LogStorageModule],
  controllers: [WorkersController],
  providers: [
    WorkersRepository,
    WorkerRegistry,
    WorkerTokenWatch,
    WorkerDirectory,
    WorkerSessions,
    WorkersGateway,
    { provide: WorkerSlots, useExisting: WorkerRegistry },
  ],
  exports: [WorkerSlots, WorkerRegistry, WorkerDirectory],
})
export class WorkersModule {}
