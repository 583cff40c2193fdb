import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { DispatchModule } from '../engine/dispatch.module.js'
import { InstancesModule } from '../instances/instances.module.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { WorkerSessions } from './worker-sessions.js'
import { WorkersGateway } from './workers.gateway.js'
import { WorkersModule } from './workers.module.js'

@Module({ imports: [AuthModule, DispatchModule, InstancesModule, LogStorageModule, WorkersModule], providers: [WorkersGateway, WorkerSessions] })
export class WorkerGatewayModule {}
