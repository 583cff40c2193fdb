import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Id } from '@jobtrail/api/common'
import { InstanceDetail, InstancePage, InstanceQuery, RunStripQuery, RunStrips } from '@jobtrail/api/instances'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { Principal } from '../rights/principal.js'
import { Answers } from '../platform/http/openapi.js'
import { InstanceListService } from './instance-list.service.js'
import { InstanceDetailsService } from './instance-details.service.js'

@ApiTags('instances')
@Controller('api/instances')
export class InstancesController {
  constructor(
    private readonly instances: InstanceDetailsService,
    private readonly lists: InstanceListService,
  ) {}

  @Get()
  @Answers(InstancePage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: InstanceQuery }) query: InstanceQuery): Promise<InstancePage> {
    return this.lists.list(principal, query)
  }

  @Get('strips')
  @Answers(RunStrips, { description: 'The last runs of each job, newest first' })
  strips(@CurrentPrincipal() principal: Principal, @Query({ schema: RunStripQuery }) query: RunStripQuery): Promise<RunStrips> {
    return this.instances.strips(principal, query)
  }

  @Get(':id')
  @Answers(InstanceDetail)
  detail(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<InstanceDetail> {
    return this.instances.detail(principal, id)
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @Answers(InstanceDetail)
  cancel(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<InstanceDetail> {
    return this.instances.cancel(principal, id)
  }

  @Post(':id/retry')
  @HttpCode(200)
  @Answers(InstanceDetail)
  retry(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<InstanceDetail> {
    return this.instances.retry(principal, id)
  }
}
