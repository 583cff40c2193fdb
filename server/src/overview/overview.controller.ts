import { Controller, Get, Param, Query } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { z } from 'zod'
import { Overview, OverviewQuery, WorkerRuns } from '@jobtrail/api/overview'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { OwnBounds } from '../auth/read-gate.interceptor.js'
import { Principal } from '../rights/principal.js'
import { Answers } from '../platform/http/openapi.js'
import { OverviewService } from './overview.service.js'
import { WorkerRunsService } from './worker-runs.service.js'

const WorkerId = z.string().min(1).max(200)

@ApiTags('cluster')
@Controller('api')
export class OverviewController {
  constructor(
    private readonly overview: OverviewService,
    private readonly workerRuns: WorkerRunsService,
  ) {}

  @Get('overview')
  @OwnBounds()
  @Answers(Overview)
  get(@CurrentPrincipal() principal: Principal, @Query({ schema: OverviewQuery }) query: OverviewQuery): Promise<Overview> {
    return this.overview.get(principal, query)
  }

  @Get('workers/:id/runs')
  @Answers(WorkerRuns)
  runs(@CurrentPrincipal() principal: Principal, @Param('id', { schema: WorkerId }) id: string): Promise<WorkerRuns> {
    return this.workerRuns.list(principal, id)
  }
}
