import { Body, Controller, Delete, HttpCode, Param, Post, Res } from '@nestjs/common'
import { ApiOperation, ApiTags } from '@nestjs/swagger'
import type { Response } from 'express'
import { Id } from '@jobtrail/shared/api/common'
import { RunCreated, RunJob, RunJobBulk, RunsCreated } from '@jobtrail/shared/api/jobs'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { Principal } from '../rights/principal.js'
import { Answers } from '../platform/http/openapi.js'
import { JobRemovalService } from './job-removal.service.js'
import { JobRunsService } from './job-runs.service.js'

/** What of a job concerns its instances. */
@ApiTags('jobs')
@Controller('api/jobs/:id')
export class JobRunsController {
  constructor(
    private readonly runs: JobRunsService,
    private readonly removal: JobRemovalService,
  ) {}

  @Delete()
  @HttpCode(204)
  @ApiOperation({ summary: 'Removes the job and cancels its waiting instances; running ones go on to their end. 409 while other jobs run after it' })
  remove(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<void> {
    return this.removal.remove(principal, id)
  }

  @Post('runs')
  @Answers(RunCreated, { status: 201 })
  @Answers(RunCreated, { description: 'There was a run with this idempotency key, params and delay already; this is it' })
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

  @Post('runs/bulk')
  @Answers(RunsCreated, { status: 201, description: 'In the order of the request' })
  async runBulk(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: RunJobBulk }) body: RunJobBulk,
  ): Promise<RunsCreated> {
    const runs = await this.runs.run(principal, id, body.runs, (index) => `runs[${index}].`)
    return { instanceIds: runs.map(({ instanceId }) => instanceId) }
  }
}
