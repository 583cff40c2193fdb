import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { InstancesModule } from '../instances/instances.module.js'
import { JobQueriesService } from './job-queries.service.js'
import { JobRevisionsRepository } from './job-revisions.repository.js'
import { JobRevisionsService } from './job-revisions.service.js'
import { JobScheduleService } from './job-schedule.service.js'
import { JobsController } from './jobs.controller.js'
import { JobsRepository } from './jobs.repository.js'
import { JobsService } from './jobs.service.js'
import { RemovedJobsRepository } from './removed-jobs.repository.js'
import { SecretBox } from './secret-box.service.js'
import { SecretResealing } from './secret-resealing.service.js'
import { TriggersController } from './triggers.controller.js'

/** Definitions. Instances know nothing of it: a list of jobs may ask how their last runs ended. */
@Module({
  imports: [AuthModule, InstancesModule],
  controllers: [JobsController, TriggersController],
  providers: [
    JobsRepository,
    JobRevisionsRepository,
    JobRevisionsService,
    JobsService,
    JobQueriesService,
    JobScheduleService,
    RemovedJobsRepository,
    SecretBox,
    SecretResealing,
  ],
  exports: [JobsService, SecretBox, JobRevisionsRepository, JobsRepository, JobScheduleService, RemovedJobsRepository],
})
export class JobsModule {}
