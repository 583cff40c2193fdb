import { Global, Module } from '@nestjs/common'
import { JobsModule } from './jobs/jobs.module.js'
import { LogStorageModule } from './logs/log-storage.module.js'
import { WorkersModule } from './workers/workers.module.js'

/** Gives the engine those who implement its ports. Global, because the engine's own module imports none of them: they are built on it. */
@Global()
@Module({ imports: [JobsModule, LogStorageModule, WorkersModule], exports: [JobsModule, LogStorageModule, WorkersModule] })
export class EnginePortsModule {}
