import { Body, Controller, Param, Post, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { Response } from 'express'
import { Id } from '@jobtrail/shared/api/common'
import { RunCreated, RunJob, RunJobBulk, RunsCreated } from '@jobtrail/shared/api/jobs'
import { CurrentPrincipal } from '../auth/current-principal.js'
import { Principal } from '../auth/principal.js'
import { Answers } from '../platform/http/openapi.js'
import { JobRunsService } from './job-runs.service.js'

@ApiTags('jobs')
@Controller('api/jobs/:id/runs')
export class JobRunsController {
  constructor(private readonly runs: JobRunsService) {}

  @Post()
  @Answers(RunCreated, { status: 201 })
  @Answers(RunCreated, { description: 'There was a run with this idempotency key already; this is it' })
  async run(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: RunJob }) body: RunJob,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RunCreated> {
    const [run] = await this.runs.run(principal, id, [body])
    if (run === undefined) throw new Error('One run was asked for, none was answered')
    response.status(run.created ? 201 : 200)
    return { instanceId: run.instanceId }
  }

  @Post('bulk')
  @Answers(RunsCreated, { status: 201, description: 'In the order of the request' })
  async runBulk(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: RunJobBulk }) body: RunJobBulk,
  ): Promise<RunsCreated> {
    const runs = await this.runs.run(principal, id, body.runs)
    return { instanceIds: runs.map(({ instanceId }) => instanceId) }
  }
}
