import { Controller, Get, Query } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { WorkerPage, WorkerQuery } from '@jobtrail/shared/api/cluster'
import { CurrentPrincipal } from '../auth/current-principal.js'
import { Principal } from '../auth/principal.js'
import { Answers } from '../platform/http/openapi.js'
import { WorkerDirectory } from './worker-directory.js'

@ApiTags('cluster')
@Controller('api/workers')
export class WorkersController {
  constructor(private readonly directory: WorkerDirectory) {}

  @Get()
  @Answers(WorkerPage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: WorkerQuery }) query: WorkerQuery): Promise<WorkerPage> {
    return this.directory.list(principal, query)
  }
}
