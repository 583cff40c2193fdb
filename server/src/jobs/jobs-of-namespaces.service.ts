import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import { NamespaceContents } from '../auth/namespaces/namespace-contents.js'
import { JobsRepository } from './jobs.repository.js'

/** Tells the namespaces' own feature whether one of them has jobs. */
@Injectable()
export class JobsOfNamespaces extends NamespaceContents {
  constructor(private readonly jobs: JobsRepository) {
    super()
  }

  hasJobs(namespace: string, session: ClientSession): Promise<boolean> {
    return this.jobs.hasAnyOf(namespace, session)
  }
}
