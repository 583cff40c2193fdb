import { Module } from '@nestjs/common'
import { OlderServers } from '../logs/ports/older-servers.js'
import { SchedulesModule } from '../schedules/schedules.module.js'
import { WorkersModule } from '../workers/workers.module.js'
import { HealthController } from './health.controller.js'
import { ServersController } from './servers.controller.js'
import { ServersRepository } from './servers.repository.js'
import { ServersService } from './servers.service.js'

@Module({
  imports: [SchedulesModule, WorkersModule],
  controllers: [HealthController, ServersController],
  providers: [ServersRepository, ServersService, { provide: OlderServers, useExisting: ServersService }],
  exports: [OlderServers],
})
export class ClusterModule {}
