import { Controller, Get, Param, Query } from '@nestjs/common'
import { ApiOperation, ApiTags } from '@nestjs/swagger'
import { Id } from '@jobtrail/api/common'
import { LogSearchPage, LogSearchQuery } from '@jobtrail/api/logs'
import { CurrentPrincipal } from '../../rights/current-principal.js'
import { OwnBounds } from '../../auth/read-gate.interceptor.js'
import { Principal } from '../../rights/principal.js'
import { Answers } from '../../platform/http/openapi.js'
import { LogSearchService } from './log-search.service.js'

@ApiTags('logs')
@Controller('api/instances/:id/logs/search')
export class LogSearchController {
  constructor(private readonly searches: LogSearchService) {}

  @Get()
  @OwnBounds()
  @ApiOperation({
    summary:
      'Lines that hold a text or match a regular expression (RE2 syntax, linear time). A call ends early after a bounded amount of work: `next` goes on from there',
  })
  @Answers(LogSearchPage)
  search(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: LogSearchQuery }) query: LogSearchQuery,
  ): Promise<LogSearchPage> {
    return this.searches.search(principal, id, query)
  }
}
