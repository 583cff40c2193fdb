import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiTokenCreated, ApiTokenPage, CreateApiToken, ListQuery } from '@jobtrail/api/auth'
import { Id } from '@jobtrail/api/common'
import { Answers } from '../../platform/http/openapi.js'
import { CurrentPrincipal } from '../../rights/current-principal.js'
import { Principal } from '../../rights/principal.js'
import { ApiTokensService } from './api-tokens.service.js'

@Controller('api/api-tokens')
export class ApiTokensController {
  constructor(private readonly tokens: ApiTokensService) {}

  @Post()
  @Answers(ApiTokenCreated, { status: 201 })
  create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateApiToken }) input: CreateApiToken): Promise<ApiTokenCreated> {
    return this.tokens.create(principal, input)
  }

  @Get()
  @Answers(ApiTokenPage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: ListQuery }) query: ListQuery): Promise<ApiTokenPage> {
    return this.tokens.list(principal, query)
  }

  @Delete(':id')
  @HttpCode(204)
  revoke(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<void> {
    return this.tokens.revoke(principal, id)
  }
}
