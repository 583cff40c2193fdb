import { Injectable } from '@nestjs/common'
import type { RevisionRef, RunDefinition } from '../engine/ports/run-definitions.js'
import { Batcher } from '../platform/batcher.js'
import { type JobRevisionDocument, jobRevisionKey } from './domain/job.js'
import { WeightedLru } from './domain/weighted-lru.js'
import { JobRevisionsRepository } from './job-revisions.repository.js'

/** Characters of JSON: some 16-32 MB. A definition has up to 360,000. */
const CACHE_WEIGHT = 16_000_000

/** Definitions by revision. They never change, so they may be cached. */
@Injectable()
export class JobRevisionsService {
  private readonly cache = new WeightedLru<RunDefinition>(CACHE_WEIGHT)
  private readonly loads = new Batcher<RevisionRef, RunDefinition | undefined>({ write: (refs) => this.load(refs), maxItems: 200, maxInFlight: 4 })

  constructor(private readonly repository: JobRevisionsRepository) {}

  /** In the order of `refs`, also of jobs that were removed since; undefined for those that do not exist. Calls of the same moment share one query. */
  revisions(refs: readonly RevisionRef[]): Promise<(RunDefinition | undefined)[]> {
    return Promise.all(refs.map(async (ref) => this.cache.get(cacheKey(ref)) ?? this.loads.add(ref)))
  }

  private async load(refs: RevisionRef[]): Promise<(RunDefinition | undefined)[]> {
    const wanted = new Map(refs.map((ref) => [cacheKey(ref), jobRevisionKey(ref.jobId, ref.revision)]))
    const documents = await this.repository.findMany([...wanted.values()])
    const found = new Map(documents.map((document) => [cacheKey({ jobId: document._id.job, revision: document._id.revision }), runDefinitionOf(document)]))
    for (const [key, definition] of found) this.cache.set(key, definition, JSON.stringify(definition).length)
    return refs.map((ref) => found.get(cacheKey(ref)))
  }
}

const cacheKey = ({ jobId, revision }: RevisionRef): string => `${jobId} ${revision}`
const runDefinitionOf = ({ definition, namespace }: JobRevisionDocument): RunDefinition => ({ ...definition, namespace })
