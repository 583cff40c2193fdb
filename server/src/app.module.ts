import { type DynamicModule, Module } from '@nestjs/common'
import { ScheduleModule } from '@nestjs/schedule'
import { AuditModule } from './audit/audit.module.js'
import { AuthModule } from './auth/auth.module.js'
import { ClusterModule } from './cluster/cluster.module.js'
import type { Config } from './config/config.js'
import { EngineModule } from './engine/engine.module.js'
import { DownloadsModule } from './downloads/downloads.module.js'
import { InstancesModule } from './instances/instances.module.js'
import { JobsModule } from './jobs/jobs.module.js'
import { LogsModule } from './logs/logs.module.js'
import { OverviewModule } from './overview/overview.module.js'
import type { Logger } from './platform/logging.js'
import { PlatformModule } from './platform/platform.module.js'
import { PortsModule } from './ports.module.js'
import { RetentionModule } from './retention/retention.module.js'
import { SchedulesModule } from './schedules/schedules.module.js'
import { WorkersModule } from './workers/workers.module.js'

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(config, logger),
        ScheduleModule.forRoot(),
        AuthModule,
        AuditModule,
        JobsModule,
        SchedulesModule,
        InstancesModule,
        EngineModule,
        PortsModule,
        WorkersModule,
        LogsModule,
        ClusterModule,
        OverviewModule,
        DownloadsModule,
        RetentionModule,
      ],
    }
  }
}
