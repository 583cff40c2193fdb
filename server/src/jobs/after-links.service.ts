import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import { AppError, ValidationError } from '@jobtrail/shared/domain/errors'
import { NamespacesService } from '../auth/namespaces/namespaces.service.js'
import { upstreamOf } from './domain/after.js'
import type { JobDocument } from './domain/job.js'
import { JobsRepository } from './jobs.repository.js'

const MAX_FOLLOWERS = 100
/** Jobs in a row, each after the one before. */
const MAX_CHAIN = 100
const NAMES_TOLD = 5
const PATH = 'trigger.job'

/**
 * Which job runs after which. Each call belongs into the transaction that stores the change, and writes to the job that is followed: so a job can't be removed while another one
 * comes to follow it, and its runs know from their birth whether anything may follow them.
 */
@Injectable()
export class AfterLinks {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly namespaces: NamespacesService,
  ) {}

  /** New jobs, which are stored, and whose namespace was written to. `placeOf`: where each definition is in the request. */
  async created(jobs: readonly JobDocument[], placeOf: (index: number) => string, session: ClientSession): Promise<void> {
    const firsts = new Map<string, number>()
    for (const [i, job] of jobs.entries()) {
      const upstream = upstreamOf(job)
      if (upstream !== undefined && !firsts.has(upstream)) firsts.set(upstream, i)
    }
    for (const [upstream, i] of firsts) {
      const job = jobs[i]
      if (job !== undefined) await this.link(job, upstream, `${placeOf(i)}${PATH}`, session)
    }
  }

  async changed(before: JobDocument, job: JobDocument, session: ClientSession): Promise<void> {
    const [from, to] = [upstreamOf(before), upstreamOf(job)]
    if (from === to) return
    // Two changes that make a circle only together would write to no job that both of them write to.
    if (to !== undefined) await this.namespaces.addTo(job.namespace, session)
    if (to !== undefined) await this.link(job, to, PATH, session)
    if (from !== undefined) await this.jobs.noteFollowers(from, session)
  }

  async removed(job: JobDocument, session: ClientSession): Promise<void> {
    const upstream = upstreamOf(job)
    if (upstream !== undefined) await this.jobs.noteFollowers(upstream, session)
  }

  /** Throws AppError CONFLICT with the names of jobs that run after this one: they would silently never run again. */
  async requireNoFollowers({ _id, name }: JobDocument, session: ClientSession): Promise<void> {
    const names = await this.jobs.followersOf(_id, NAMES_TOLD + 1, session)
    if (names.length === 0) return
    const told = names.length > NAMES_TOLD ? `${names.slice(0, NAMES_TOLD).join(', ')} and others` : names.join(', ')
    throw new AppError('CONFLICT', `Job ${name} is followed by ${told}: give them another trigger, or remove them, first`)
  }

  private async link(job: JobDocument, upstream: string, path: string, session: ClientSession): Promise<void> {
    await this.requireUpstream(job, upstream, path, session)
    if ((await this.jobs.noteFollowers(upstream, session)) > MAX_FOLLOWERS)
      throw new ValidationError(path, `no more than ${MAX_FOLLOWERS} jobs can run after the same job`)
  }

  /** Walks from the job that is to be followed to the first of its row. */
  private async requireUpstream(job: JobDocument, upstream: string, path: string, session: ClientSession): Promise<void> {
    const names = [job.name]
    for (let at: string | undefined = upstream; at !== undefined;) {
      const next: JobDocument | null = await this.jobs.findById(at, session)
      if (at === upstream && next?.namespace !== job.namespace) throw new ValidationError(path, `there is no such job in namespace ${job.namespace}`)
      if (next === null) return
      names.push(next.name)
      if (next._id === job._id)
        throw new ValidationError(path, names.length === 2 ? 'a job cannot run after itself' : `would make a circle: ${names.join(' after ')}`)
      if (names.length > MAX_CHAIN) throw new ValidationError(path, `no more than ${MAX_CHAIN} jobs can run one after the other`)
      at = upstreamOf(next)
    }
  }
}
