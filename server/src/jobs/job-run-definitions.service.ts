import { Injectable } from '@nestjs/common'
import { type RevisionRef, type RunDefinition, RunDefinitions } from '../engine/ports/run-definitions.js'
import { JobRevisionsService } from './job-revisions.service.js'
import { SecretBox } from './secret-box.service.js'

/** Gives the engine what runs are made from. */
@Injectable()
export class JobRunDefinitions extends RunDefinitions {
  constructor(
    private readonly revisions: JobRevisionsService,
    private readonly secrets: SecretBox,
  ) {
    super()
  }

  find(refs: readonly RevisionRef[]): Promise<(RunDefinition | undefined)[]> {
    return this.revisions.revisions(refs)
  }

  openSecrets(jobId: string, definition: RunDefinition): Record<string, string> {
    return this.secrets.open(jobId, definition.secrets)
  }
}
