import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common'
import { ApiOperation, ApiTags } from '@nestjs/swagger'
import type { Request, Response } from 'express'
import { Id } from '@jobtrail/api/common'
import { FollowQuery, LogPage, LogQuery, LogVerification, RawQuery, VerifyQuery } from '@jobtrail/api/logs'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { OwnBounds } from '../auth/read-gate.interceptor.js'
import { Principal } from '../rights/principal.js'
import { Answers, AnswersText } from '../platform/http/openapi.js'
import { FollowService } from './follow/follow.service.js'
import { LogsService } from './logs.service.js'
import { RawLogService } from './raw-log.service.js'

/** Reading logs: every answer comes from MongoDB, is kept by nobody, and says how complete it is. */
@ApiTags('logs')
@Controller('api/instances/:id/logs')
export class LogsController {
  constructor(
    private readonly logs: LogsService,
    private readonly rawLog: RawLogService,
    private readonly followers: FollowService,
  ) {}

  @Get()
  @ApiOperation({
    summary:
      'A page of lines. A line longer than 64 KiB is one item under the number of its first piece. A page may end early (at 8 MiB of text, or after 200,000 lines searched for one side): `next` goes on from there',
  })
  @Answers(LogPage)
  page(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string, @Query({ schema: LogQuery }) query: LogQuery): Promise<LogPage> {
    return this.logs.page(principal, id, query)
  }

  @Get('raw')
  @OwnBounds()
  @ApiOperation({
    summary:
      'The bytes that the process wrote, as far as they are stored: see X-Jobtrail-Log-State and X-Jobtrail-Log-Lines. Ranges of bytes for the plain log; with format=jsonl a line of JSON for each line',
  })
  @AnswersText('text/plain', { description: 'The whole log' })
  @AnswersText('text/plain', { status: 206, description: 'The bytes that Range asked for' })
  raw(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: RawQuery }) query: RawQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.rawLog.send(principal, id, query, request, response)
  }

  @Get('follow')
  @OwnBounds()
  @ApiOperation({
    summary:
      'Server-Sent Events: a line each (a long one in pieces), `attempt` when a retry begins, `end` when the log is complete, `error` with the reason when it ends before that, `forbidden` when the right to read it was withdrawn meanwhile',
  })
  @AnswersText('text/event-stream', {
    description:
      'Data of a line: LogLine as in a page; `id` is its number, from the second attempt on `attempt:number`. Data of `end`: completeness and status',
  })
  follow(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: FollowQuery }) query: FollowQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() response: Response,
  ): Promise<void> {
    return this.followers.follow(principal, id, query, lastEventId, response)
  }

  @Get('verify')
  @ApiOperation({ summary: 'Recomputes the digest chain of what is stored; state and losses say whether that is all that the process wrote' })
  @Answers(LogVerification)
  verify(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: VerifyQuery }) query: VerifyQuery,
  ): Promise<LogVerification> {
    return this.logs.verify(principal, id, query)
  }
}
