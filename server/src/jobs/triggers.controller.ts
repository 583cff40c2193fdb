import { Body, Controller, HttpCode, Post } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { PreviewTrigger, TriggerPreview } from '@jobtrail/api/jobs'
import { Answers } from '../platform/http/openapi.js'
import { JobQueriesService } from './job-queries.service.js'

/** For anyone signed in: it tells nothing of any namespace. */
@ApiTags('jobs')
@Controller('api/triggers')
export class TriggersController {
  constructor(private readonly queries: JobQueriesService) {}

  @Post('preview')
  @HttpCode(200)
  @Answers(TriggerPreview, { description: 'The next fire times, by the same arithmetic that fires the job' })
  preview(@Body({ schema: PreviewTrigger }) body: PreviewTrigger): TriggerPreview {
    return this.queries.preview(body)
  }
}
