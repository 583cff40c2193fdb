import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { WorkerId, WorkerPage, WorkerQuery, WorkerView } from '@jobtrail/api/cluster'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { Principal } from '../rights/principal.js'
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

  @Post(':id/drain')
  @HttpCode(200)
  @Answers(WorkerView, { description: 'It takes no new runs, finishes those that it has, and stays connected, over restarts too, until it is undrained' })
  drain(@CurrentPrincipal() principal: Principal, @Param('id', { schema: WorkerId }) id: string): Promise<WorkerView> {
    return this.directory.setDrain(principal, id, true)
  }

  @Post(':id/undrain')
  @HttpCode(200)
  @Answers(WorkerView, { description: 'It takes runs again' })
  undrain(@CurrentPrincipal() principal: Principal, @Param('id', { schema: WorkerId }) id: string): Promise<WorkerView> {
    return this.directory.setDrain(principal, id, false)
  }
}
