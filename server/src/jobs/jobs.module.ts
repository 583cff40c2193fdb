import { Module } from '@nestjs/common'
import { AuthModule } from '../auth/auth.module.js'
import { EngineModule } from '../engine/engine.module.js'
import { RunDefinitions } from '../engine/ports/run-definitions.js'
import { AfterLinks } from './after-links.service.js'
import { AfterRuns } from './after-runs.service.js'
import { JobRemovalService } from './job-removal.service.js'
import { JobRunDefinitions } from './job-run-definitions.service.js'
import { JobRunsController } from './job-runs.controller.js'
import { JobRunsService } from './job-runs.service.js'
import { NamespaceContents } from '../auth/namespaces/namespace-contents.js'
import { JobHistory } from './job-history.service.js'
import { JobQueriesService } from './job-queries.service.js'
import { JobRevisionsRepository } from './job-revisions.repository.js'
import { JobRevisionsService } from './job-revisions.service.js'
import { JobScheduleService } from './job-schedule.service.js'
import { JobsOfNamespaces } from './jobs-of-namespaces.service.js'
import { JobsController } from './jobs.controller.js'
import { JobsRepository } from './jobs.repository.js'
import { JobsService } from './jobs.service.js'
import { RemovedJobsRepository } from './removed-jobs.repository.js'
import { SecretBox } from './secret-box.service.js'
import { SecretResealing } from './secret-resealing.service.js'
import { TriggersController } from './triggers.controller.js'

/** Definitions, and runs that people ask for. */
@Module({
  imports: [AuthModule, EngineModule],
  controllers: [JobsController, JobRunsController, TriggersController],
  providers: [
    JobsRepository,
    JobRevisionsRepository,
    JobRevisionsService,
    AfterLinks,
    AfterRuns,
    JobsService,
    JobQueriesService,
    JobScheduleService,
    RemovedJobsRepository,
    SecretBox,
    SecretResealing,
    JobRunsService,
    JobHistory,
    JobRemovalService,
    { provide: RunDefinitions, useClass: JobRunDefinitions },
    { provide: NamespaceContents, useClass: JobsOfNamespaces },
  ],
  exports: [RunDefinitions, NamespaceContents, JobsService, JobQueriesService, JobScheduleService, JobHistory],
})
export class JobsModule {}
