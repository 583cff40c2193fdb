import { Global, Module } from '@nestjs/common'
import { AuthModule } from './auth/auth.module.js'
import { ClusterModule } from './cluster/cluster.module.js'
import { JobsModule } from './jobs/jobs.module.js'
import { LogStorageModule } from './logs/log-storage.module.js'
import { WorkersModule } from './workers/workers.module.js'

/**
 * Gives features those who implement their ports. A port is an abstract class that belongs to the feature that needs it, because the one that can do it is built on that feature.
 * Global, because the feature's own module cannot import them.
 */
@Global()
@Module({
  imports: [AuthModule, ClusterModule, JobsModule, LogStorageModule, WorkersModule],
  exports: [AuthModule, ClusterModule, JobsModule, LogStorageModule, WorkersModule],
})
export class PortsModule {}
