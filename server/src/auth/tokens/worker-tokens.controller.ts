import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { WorkerTokenCreated, WorkerTokenPage, CreateWorkerToken, ListQuery } from '@jobtrail/api/auth'
import { Id } from '@jobtrail/api/common'
import { Answers } from '../../platform/http/openapi.js'
import { CurrentPrincipal } from '../../rights/current-principal.js'
import { Principal } from '../../rights/principal.js'
import { WorkerTokensService } from './worker-tokens.service.js'

@Controller('api/worker-tokens')
export class WorkerTokensController {
  constructor(private readonly tokens: WorkerTokensService) {}

  @Post()
  @Answers(WorkerTokenCreated, { status: 201 })
  create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateWorkerToken }) input: CreateWorkerToken): Promise<WorkerTokenCreated> {
    return this.tokens.create(principal, input)
  }

  @Get()
  @Answers(WorkerTokenPage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: ListQuery }) query: ListQuery): Promise<WorkerTokenPage> {
    return this.tokens.list(principal, query)
  }

  @Delete(':id')
  @HttpCode(204)
  revoke(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<void> {
    return this.tokens.revoke(principal, id)
  }
}
