import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { InstancesModule } from '../instances/instances.module.js'
import { LogStorageModule } from '../logs/log-storage.module.js'
import { Removal } from './removal.service.js'
import { RetentionLock } from './retention-lock.js'
import { RetentionProgressRepository } from './retention-progress.repository.js'
import { RetentionService } from './retention.service.js'

/** How long runs and logs are kept. */
@Module({ imports: [AuthModule, InstancesModule, LogStorageModule], providers: [RetentionLock, RetentionProgressRepository, Removal, RetentionService] })
export class RetentionModule {}
