import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { z } from 'zod'
import { Id } from '@jobtrail/api/common'
import {
  ChangeJob,
  CreateJob,
  CreateJobBulk,
  JobPage,
  JobQuery,
  JobRevisionPage,
  JobRevisionQuery,
  JobRevisionView,
  JobsCreated,
  JobView,
} from '@jobtrail/api/jobs'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { Principal } from '../rights/principal.js'
import { Answers } from '../platform/http/openapi.js'
import { JobQueriesService } from './job-queries.service.js'
import { JobsService } from './jobs.service.js'

const RevisionNumber = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

@ApiTags('jobs')
@Controller('api/jobs')
export class JobsController {
  constructor(
    private readonly jobs: JobsService,
    private readonly queries: JobQueriesService,
  ) {}

  @Post()
  @Answers(JobView, { status: 201 })
  create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateJob }) body: CreateJob): Promise<JobView> {
    return this.jobs.create(principal, body)
  }

  @Post('bulk')
  @Answers(JobsCreated, { status: 201 })
  createMany(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateJobBulk }) body: CreateJobBulk): Promise<JobsCreated> {
    return this.jobs.createMany(principal, body)
  }

  @Get()
  @Answers(JobPage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: JobQuery }) query: JobQuery): Promise<JobPage> {
    return this.queries.list(principal, query)
  }

  @Get(':id')
  @Answers(JobView)
  get(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<JobView> {
    return this.queries.get(principal, id)
  }

  @Patch(':id')
  @Answers(JobView)
  change(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string, @Body({ schema: ChangeJob }) body: ChangeJob): Promise<JobView> {
    return this.jobs.change(principal, id, body)
  }

  @Post(':id/enable')
  @HttpCode(200)
  @Answers(JobView)
  enable(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<JobView> {
    return this.jobs.setEnabled(principal, id, true)
  }

  @Post(':id/disable')
  @HttpCode(200)
  @Answers(JobView)
  disable(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<JobView> {
    return this.jobs.setEnabled(principal, id, false)
  }

  @Get(':id/revisions')
  @Answers(JobRevisionPage)
  listRevisions(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Query({ schema: JobRevisionQuery }) query: JobRevisionQuery,
  ): Promise<JobRevisionPage> {
    return this.queries.listRevisions(principal, id, query)
  }

  @Get(':id/revisions/:revision')
  @Answers(JobRevisionView)
  getRevision(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Param('revision', { schema: RevisionNumber }) revision: number,
  ): Promise<JobRevisionView> {
    return this.queries.getRevision(principal, id, revision)
  }
}
