import { Module } from '@nestjs/common'
import { InstancesModule } from '../instances/instances.module.js'
import { JobRemovalService } from './job-removal.service.js'
import { JobRunsController } from './job-runs.controller.js'
import { JobRunsService } from './job-runs.service.js'
import { JobsModule } from './jobs.module.js'

@Module({ imports: [JobsModule, InstancesModule], controllers: [JobRunsController], providers: [JobRunsService, JobRemovalService] })
export class JobRunsModule {}
